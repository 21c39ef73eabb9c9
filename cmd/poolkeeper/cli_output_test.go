package main

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// answers is a server with a little of everything.
func answers() fakeAdmin {
	const plan = `{"changes":[{"action":"add","tenant":"umbrella"},{"action":"change","tenant":"acme","fields":[{"field":"limits.max_conns","old":"4","new":"8"},
		{"field":"password","old":"","new":"(changed)"},{"field":"plan","old":"pro","new":""}]},{"action":"suspend","tenant":"hooli"},
		{"action":"resume","tenant":"initech","error":"the cluster is full"}],"same":2}`
	return fakeAdmin{
		"GET /tenants":                       `200 {"tenants":[` + fakeAcme + `,` + fakeEvil + `],"next":"evil"}`,
		"GET /tenants?limit=1000":            `200 {"tenants":[` + fakeAcme + `],"next":"acme"}`,
		"GET /tenants?after=acme&limit=1000": `200 {"tenants":[` + fakeEvil + `]}`,
		"GET /tenants/acme":                  "200 " + fakeAcme,
		"PATCH /tenants/acme":                "200 " + fakeAcme,
		"POST /tenants":                      "201 " + fakeAcme,
		"POST /tenants/acme/suspend":         "200 " + fakeAcme,
		"POST /tenants/acme/reader":          "200 " + fakeAcme,
		"POST /tenants/acme/flush":           `200 {"flushed":"acme"}`,
		"POST /tenants/acme/rotate":          "202 " + fakeMigration("running", 0, ""),
		"GET /operations/0000000042/events":  "200 " + events(fakeMigration("running", 1, ""), fakeMigration("running", 2, ""), partly()),
		"GET /operations/0000000042":         "200 " + partly(),
		"DELETE /tenants/acme":               `200 {"id":"0000000042","kind":"delete","tenant":"acme","state":"done","result":{"file":"acme.dump","bytes":5734,"format":"custom"}}`,
		"GET /operations":                    `200 {"operations":[` + partly() + `],"next":"0000000042"}`,
		"POST /migrations":                   "202 " + fakeMigration("running", 0, ""),
		"GET /migrations": `200 {"sets":[{"set":"tenant","latest":3,"versions":[{"version":-1,"tenants":1},{"version":2,"tenants":1200,"failed":3},
			{"version":3,"tenants":7},{"version":9,"tenants":1}]}],"behind":1201,"failed":3,"drift":[{"tenant":"acme","mirror":3,"actual":2}]}`,
		"POST /apply?dry_run=true&file=stdin":  "200 " + plan,
		"POST /apply?dry_run=true&file=t.yaml": "200 " + plan,
		"POST /apply?dry_run=false&file=t.yaml": `200 {"id":"0000000042","kind":"apply","state":"failed","done":4,"total":4,"code":"partly_failed","failures":[{"tenant":"initech",
			"error":"the cluster is full"}],"result":` + plan + `}`,
		"GET /tenants/acme/api-keys":                 `200 {"keys":[` + fakeKey("m2k8vq0x7c4d", "web", "active", "") + `,` + fakeKey("0ldk3y000000", "old", "revoked", "") + `]}`,
		"GET /api-keys":                              `200 {"keys":[` + fakeKey("m2k8vq0x7c4d", "w\\u001b[31meb", "active", `,"last_used_at":`+fakeAt+`,"expires_at":`+fakeAt) + `],"next":"m2k8vq0x7c4d"}`,
		"POST /tenants/acme/api-keys":                `201 {"key":` + fakeKey("m2k8vq0x7c4d", "web", "active", `,"expires_at":`+fakeAt) + `,"text":"pk_m2k8vq0x7c4d_SecretSecretSecretSecretSecret12"}`,
		"DELETE /tenants/acme/api-keys/m2k8vq0x7c4d": "200 " + fakeKey("m2k8vq0x7c4d", "web", "revoked", ""),
		"PATCH /tenants/acme/api-keys/m2k8vq0x7c4d":  "200 " + fakeKey("m2k8vq0x7c4d", "web", "active", `,"expires_at":`+fakeAt),
		"GET /pools": `200 {"pools":[{"tenant":"acme","access":"write","cluster":"main","state":"ready","max":4,"idle":1,"acquired":2,"last_used":` + fakeAt + `},
			{"tenant":"acme","access":"read","cluster":"main","state":"ready","max":2,"idle":1,"last_used":` + fakeAt + `}]}`,
		"GET /clusters": `200 {"clusters":[{"cluster":"main","budget":90,"derived":true,"in_use":3,"idle":1}]}`,
		"GET /audit": `200 {"events":[{"id":9,"at":` + fakeAt + `,"actor":"alice","action":"tenant.suspend","tenant":"acme"},
			{"id":8,"at":` + fakeAt + `,"actor":"local","action":"tenant.add","tenant":"bad","error":"onboard: tenant bad: no room"}]}`,
		"POST /doctor": `200 {"findings":[{"check":"tls","severity":"info","subject":"cluster main","message":"no TLS","remedy":""},
			{"check":"budget","severity":"error","subject":"cluster main","message":"90 connections do not fit","remedy":"set budget to 80"}],"checked":["budget","tls"]}`,
	}
}

func TestTheOutputOfACommandIsWhatItsFileShows(t *testing.T) {
	t.Parallel()
	file := write(t, filepath.Join(t.TempDir(), "t.yaml"), "tenants: {}")
	for name, line := range map[string]string{
		"tenant-list": "tenant list --limit 2", "tenant-list-all": "tenant list --all --json", "tenant-show": "tenant show acme",
		"tenant-set": "tenant set acme --plan pro", "tenant-add": "tenant add acme", "tenant-rotate": "tenant rotate acme",
		"tenant-reader": "tenant reader acme", "tenant-flush": "tenant flush acme",
		"tenant-no-wait": "tenant rotate acme --no-wait", "tenant-delete": "tenant delete acme --yes acme",
		"migrate-up": "migrate up", "migrate-up-json": "migrate up --json", "migrate-status": "migrate status --verify",
		"migrate-tenants": "migrate status --tenants", "operations-list": "operations list", "operations-show": "operations show 0000000042",
		"operations-watch": "operations watch 0000000042", "apply-dry": "apply --dry-run -f FILE", "apply-yes": "apply --yes -f FILE",
		"apply-unasked": "apply -f FILE", "pools-list": "pools list", "clusters-list": "clusters list", "audit-list": "audit list", "doctor": "doctor",
		"doctor-errors": "doctor --severity error --json",
		"apikey-list":   "apikey list --limit 1", "apikey-list-tenant": "apikey list acme", "apikey-create": "apikey create acme --url https://api.db.example.com",
		"apikey-create-quiet": "apikey create acme -q", "apikey-create-json": "apikey create acme --url http://127.0.0.1:8080 --json",
		"apikey-revoke": "apikey revoke acme pk_m2k8vq0x7c4d", "apikey-expire": "apikey expire acme m2k8vq0x7c4d --at 2030-01-31T00:00:00Z",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(line)
			code, stdout, stderr := faked(t, answers(), strings.Fields(strings.ReplaceAll(line, "FILE", file))...)
			matchesGolden(t, name, args, code, stdout, stderr)
			if strings.ContainsAny(stdout+stderr, "\x1b\u202e") {
				t.Errorf("what a terminal would obey is printed: %q", stdout+stderr)
			}
		})
	}
}

func TestJSONIsOneValueWhateverTheCommand(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"tenant list --limit 2", "tenant show acme", "tenant set acme --plan pro", "tenant add acme", "tenant suspend acme", "tenant delete acme --yes acme",
		"tenant rotate acme --no-wait", "tenant reader acme", "tenant flush acme", "migrate up", "migrate status", "operations list", "operations show 0000000042", "operations watch 0000000042",
		"pools list", "clusters list", "audit list", "doctor", "apikey list", "apikey list acme", "apikey create acme", "apikey revoke acme pk_m2k8vq0x7c4d",
		"apikey expire acme pk_m2k8vq0x7c4d --never",
	} {
		_, stdout, stderr := faked(t, answers(), strings.Fields("--json "+line)...)
		if !json.Valid([]byte(stdout)) || strings.Count(stdout, "\n") != 1 {
			t.Errorf("%s: %q %q", line, stdout, stderr)
		}
	}
}

func TestProgressIsALineOfJSONForEachChange(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := faked(t, answers(), "migrate", "up", "--json")
	var done []int
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	for _, line := range lines[:len(lines)-1] { // the last one is the error
		var op struct{ Done int }
		if err := json.Unmarshal([]byte(line), &op); err != nil {
			t.Errorf("%v: %q", err, line)
		}
		done = append(done, op.Done)
	}
	if len(done) != 3 || done[0] != 1 || done[1] != 2 || done[2] != 3 || code != exitPartly || !json.Valid([]byte(stdout)) {
		t.Errorf("%v, exit %d, %s", done, code, stdout)
	}
}

func TestEveryGoldenFileIsOfACase(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir(filepath.Join("testdata", "cli"))
	if err != nil || len(files) != 32 {
		t.Errorf("%d golden files, %v", len(files), err)
	}
}

func TestOutputThatCannotBeWrittenIsAFailure(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(answers())
	defer server.Close()
	for _, line := range []string{
		"doctor --severity error", "tenant show acme", "tenant list", "tenant add acme", "tenant rotate acme --no-wait", "pools list", "audit list",
		"operations show 0000000042", "migrate status", "apikey create acme", "version", "--help", "tenant --help",
	} {
		var stderr strings.Builder
		app := &App{Stdout: full{}, Stderr: &stderr, Env: []string{"POOLKEEPER_SERVER=" + server.URL}}
		code := app.Run(t.Context(), strings.Fields(line))
		if code != exitFailed || !strings.Contains(stderr.String(), "no room") && line != "doctor --severity error" {
			t.Errorf("%s: exit %d, %q", line, code, stderr.String())
		}
	}
}
