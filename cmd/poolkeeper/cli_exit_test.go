package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

func TestARefusalOfTheServerHasItsExitCodeAndOneSentence(t *testing.T) {
	t.Parallel()
	unknown := problem(404, "tenant_unknown", "There is no such tenant", "The list of tenants has those that there are.")
	for _, c := range []struct {
		line, path, answer, want string
		code                     int
	}{
		{"tenant show nope", "GET /tenants/nope", unknown, `there is no tenant "nope"`, exitUnknown},
		{"tenant clone nope new", "POST /tenants/nope/clone", unknown, `there is no tenant "nope"`, exitUnknown},
		{"migrate up --tenant nope", "POST /migrations", unknown, `there is no tenant "nope"`, exitUnknown},
		{"migrate up --tenant one,two", "POST /migrations", unknown, "There is no such tenant. The list of tenants has those that there are.", exitUnknown},
		{"tenant add acme", "POST /tenants", problem(409, "tenant_exists", "There is one", ""), `there is a tenant "acme" already`, exitConflict},
		{"tenant clone acme new", "POST /tenants/acme/clone", problem(409, "tenant_exists", "There is one", ""), `there is a tenant "new" already`, exitConflict},
		{"operations show 7", "GET /operations/7", problem(404, "operation_unknown", "None", ""), `there is no operation "7"`, exitUnknown},
		{"migrate down --run 7", "POST /migrations", problem(404, "operation_unknown", "None", ""), `there is no operation "7"`, exitUnknown},
		{"pools show acme", "GET /pools/acme", problem(404, "pool_unknown", "None", ""), `tenant "acme" has no open pool`, exitUnknown},
		{"apikey revoke acme m2k8vq0x7c4d", "DELETE /tenants/acme/api-keys/m2k8vq0x7c4d", problem(404, "key_unknown", "None", ""), `tenant "acme" has no API key pk_m2k8vq0x7c4d`, exitUnknown},
		{"apikey revoke acme pk_m2k8vq0x7c4d_hunter2", "DELETE /tenants/acme/api-keys/m2k8vq0x7c4d", problem(404, "key_unknown", "None", ""), `tenant "acme" has no API key pk_m2k8vq0x7c4d`, exitUnknown},
		{"apikey create nope", "POST /tenants/nope/api-keys", unknown, `there is no tenant "nope"`, exitUnknown},
		{"apikey create acme --read-only", "POST /tenants/acme/api-keys", problem(409, "no_reader", "The tenant has no login that can only read", "give it isolation schema"), "The tenant has no login that can only read: give it isolation schema", exitConflict},
		{"apikey list", "GET /api-keys", problem(409, "no_control", "There is no control database", "Set it."), "There is no control database. Set it.", exitConflict},
		{"tenant set acme --name A --if-version 3", "PATCH /tenants/acme", problem(412, "stale", "It has changed", ""), "It has changed", exitConflict},
		{"tenant rotate acme", "POST /tenants/acme/rotate", problem(409, "state", "Not now", "acme is retired"), "Not now: acme is retired", exitConflict},
		{"tenant suspend acme", "POST /tenants/acme/suspend", problem(409, "no_control", "No control database", "Edit it."), "No control database. Edit it.", exitConflict},
		{"tenant add acme --plan no", "POST /tenants", problem(400, "bad_request", "Malformed", `plan: "no" is no plan`), `plan: "no" is no plan`, exitFailed},
		{"tenant add acme", "POST /tenants", problem(401, "unauthorized", "Who?", ""), "the admin API needs one of its tokens: --token-from says where it is, or POOLKEEPER_TOKEN has it", exitFailed},
		{"tenant add acme", "POST /tenants", problem(422, "migration_failed", "The operation failed", "a\x1bb"), "The operation failed: a\uFFFDb", exitFailed},
		{"tenant add acme", "POST /tenants", "400 Client sent an HTTP request to an HTTPS server.\n", "not an answer of the admin API: http://SERVER speaks TLS, and its URL begins with https://; --server must name the admin API", exitFailed},
		{"tenant list", "GET /tenants?limit=100", problem(404, "not_found", "There is nothing at this path", ""), "there is no such thing as was asked for at http://SERVER; --server must name the admin API", exitFailed},
		{"tenant add acme", "POST /tenants", `502 <html>`, "not an answer of the admin API: http://SERVER answers with status 502; --server must name the admin API", exitFailed},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			for _, json := range []string{"", "--json "} {
				code, stdout, stderr := faked(t, fakeAdmin{c.path: c.answer}, strings.Fields(json+c.line)...)
				if code != c.code || stderr != "poolkeeper: "+c.want+"\n" || stdout != "" {
					t.Errorf("%d %q %q, want %d %q", code, stdout, stderr, c.code, c.want)
				}
			}
		})
	}
}

func TestACommandLineThatMakesNoSenseAsksNobody(t *testing.T) {
	t.Parallel()
	file := write(t, filepath.Join(t.TempDir(), "taken"), "")
	nobody := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked for %s", r.URL) })
	for line, want := range map[string]string{
		"tenant frob":                                        "unknown command",
		"tenant show":                                        "ID is missing",
		"tenant show a b":                                    `"b" is one argument too many`,
		"tenant show A":                                      "is no tenant id",
		"tenant list --limit 0":                              "--limit must be at least 1",
		"tenant list --limit 5 --all":                        "not beside --all",
		"tenant list --frob":                                 "unknown flag",
		"tenant set acme":                                    "nothing to change",
		"tenant set acme --max-conns many":                   "must be a whole number, or default",
		"tenant set acme --label x":                          "must be key=value",
		"tenant set acme --label a=1 --unlabel a":            "--unlabel",
		"tenant add acme --password-from hunter2":            "--password-from must be env:NAME or file:PATH",
		"tenant add acme --password-from env:NO":             "NO, which is not set",
		"tenant delete acme":                                 "repeat the id to delete it: --yes acme",
		"tenant delete acme --yes acmee":                     "nothing was deleted",
		"tenant export acme --output " + file:                "is there already",
		"tenant export acme --output - --json":               "both want the standard output",
		"apply":                                              "-f FILE",
		"migrate down":                                       "--run OPERATION",
		"migrate up --tenant A":                              "is no tenant id",
		"doctor --severity bad":                              "must be error, warning or info",
		"keys rotate":                                        "--keyset FILE",
		"keys generate --output " + file:                     "is there already",
		"tenant list --server nope":                          "must be a URL",
		"tenant set acme --rate often":                       "must be a number such as 5 or 0.5, or default",
		"tenant set acme --rate NaN":                         "must be a number such as 5 or 0.5",
		"tenant set acme --rate -1":                          "must be a number such as 5 or 0.5",
		"tenant set acme --max-body big":                     "must be a number of bytes, such as 65536, 512KiB or 10MiB, or default",
		"tenant add acme --max-result 1MB":                   "must be a number of bytes, such as",
		"tenant add acme --max-result -1":                    "must be a number of bytes, such as",
		"apikey create":                                      "TENANT is missing",
		"apikey create A":                                    "is no tenant id",
		"apikey create acme --expires soon":                  "--expires \"soon\" must be from now on, such as 30d or 12h",
		"apikey create acme --expires -1h":                   "--expires \"-1h\" must be from now on",
		"apikey create acme --expires -1d":                   "--expires \"-1d\" must be from now on",
		"apikey create acme --expires 99999d":                "must be from now on",
		"apikey create acme --expires 0d":                    "--expires is past already",
		"apikey create acme --expires 2001-01-01T00:00:00Z":  "--expires is past already",
		"apikey create acme --url db.example.com":            "--url must be a URL",
		"apikey create acme --url ftp://x":                   "--url must be a URL",
		"apikey list acme globex":                            `"globex" is one argument too many`,
		"apikey list A":                                      "is no tenant id",
		"apikey list --limit 0":                              "--limit must be at least 1",
		"apikey list --limit 5 --all":                        "not beside --all",
		"apikey list --after hunter2":                        "KEY must be how the key begins",
		"apikey revoke acme":                                 "KEY is missing",
		"apikey revoke acme pk_hunter2_x":                    "KEY must be how the key begins",
		"apikey expire acme pk_m2k8vq0x7c4d":                 "--at TIME, or --never",
		"apikey expire acme pk_m2k8vq0x7c4d --never --at 1d": "--at TIME, or --never",
		"apikey expire acme pk_m2k8vq0x7c4d --at later":      "--at \"later\" must be",
		"tenant list --direct --server http://x":             "leave out --server",
		"tenant list --server http://alice:hunter2@x":        "must be a URL without a login",
		"tenant list --ca x --server http://a:hunter2@x":     "must be a URL without a login",
		"tenant add acme --rate NaN":                         "--rate NaN must be a number such as 5 or 0.5",
		"tenant add acme --rate Inf":                         "--rate +Inf must be a number such as 5 or 0.5",
		"tenant add acme --rate often":                       "--rate \"often\" must be a number\n",
		"tenant add acme --max-conns many":                   "--max-conns \"many\" must be a whole number\n",
		"tenant set acme --name A --if-version -1":           "--if-version \"-1\" must be a whole number from 0 on\n",
		"audit list --before x":                              "--before \"x\" must be a whole number\n",
		"audit list --limit 0":                               "--limit must be at least 1",
		"operations list --limit -1":                         "--limit must be at least 1",
		"completion tcsh":                                    "unknown command \"tcsh\"",
		"version --json":                                     "poolkeeper version has no use for --json",
		"config show --json":                                 "poolkeeper config show has no use for --json",
		"serve --direct":                                     "poolkeeper serve has no use for --direct",
	} {
		code, stdout, stderr := faked(t, nobody, strings.Fields(line)...)
		if code != exitUsage || !strings.Contains(stderr, want) || stdout != "" || strings.Contains(stderr, "hunter2") {
			t.Errorf("%s: %d %q %q, want %q", line, code, stdout, stderr, want)
		}
	}
}

func TestAFleetOfWhichAllFailedHasFailed(t *testing.T) {
	t.Parallel()
	all := fakeMigration("failed", 1, `,"failures":[{"tenant":"a","error":"x"},{"tenant":"b","error":"x"},{"tenant":"c","error":"x"}],"code":"migrations_failed"`)
	if code, _, stderr := faked(t, fakeAdmin{"POST /migrations": "200 " + all, "GET /operations/0000000042": "200 " + all}, "migrate", "up"); code != exitFailed {
		t.Errorf("%d %s", code, stderr)
	}
}

func TestAServerThatIsNotThereIsSaidSo(t *testing.T) {
	t.Parallel()
	code, _, stderr := execute(t, nil, "tenant", "list", "--server", "http://127.0.0.1:1")
	if code != exitFailed || !strings.Contains(stderr, `Is "poolkeeper serve" running there?`) || strings.Contains(stderr, "/v1/tenants") {
		t.Errorf("%d %s", code, stderr)
	}
}

func TestATokenIsSentAndNeverShown(t *testing.T) {
	t.Parallel()
	var got string
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		http.Error(w, "{}", http.StatusTeapot)
	})
	path := write(t, filepath.Join(t.TempDir(), "token"), "opensesame\n")
	_, stdout, stderr := faked(t, api, "tenant", "list", "--token-from", "file:"+path)
	if got != "Bearer opensesame" || strings.Contains(stdout+stderr, "opensesame") {
		t.Errorf("%q %q %q", got, stdout, stderr)
	}
}

// Who was only found to be whole has nothing that could be undone.
func TestOnlyARunThatAppliedAMigrationSaysHowToUndoIt(t *testing.T) {
	t.Parallel()
	for result, want := range map[string]bool{`{"migrated":2,"failed":0,"skipped":0,"applied":0,"took_ms":5}`: false, `{"migrated":2,"failed":0,"skipped":0,"applied":2,"took_ms":5}`: true} {
		done := "200 " + fakeMigration("done", 2, `,"result":`+result)
		_, stdout, stderr := faked(t, fakeAdmin{"POST /migrations": done, "GET /operations/0000000042": done}, "migrate", "up")
		if strings.Contains(stdout+stderr, "migrate down --run") != want {
			t.Errorf("%s: %s%s", result, stdout, stderr)
		}
	}
}
