package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// heard answers as api does, and remembers the last body that it was sent.
type heard struct {
	api  http.Handler
	last map[string]any
}

func (h *heard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.last = nil
	_ = json.Unmarshal(body, &h.last)
	h.api.ServeHTTP(w, r)
}

func TestAKeyIsAloneOnTheStandardOutput(t *testing.T) {
	t.Parallel()
	const text = "pk_m2k8vq0x7c4d_SecretSecretSecretSecretSecret12"
	for line, hints := range map[string]int{
		"apikey create acme": 1, "apikey create acme -q": 0, "apikey create acme --url https://api.example.com": 2, "apikey create acme -q --url https://api.example.com": 0,
	} {
		code, stdout, stderr := faked(t, answers(), strings.Fields(line)...)
		if code != exitOK || stdout != text+"\n" || strings.Count(stderr, "\n") != hints || strings.Contains(stderr, "Secret") {
			t.Errorf("%s: %d %q %q", line, code, stdout, stderr)
		}
	}
}

func TestAKeyIsAskedForAsTheFlagsSay(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"apikey create acme":                                                    `{"scope":"write"}`,
		"apikey create acme --read-only --name reports":                         `{"name":"reports","scope":"read"}`,
		"apikey create acme --expires 2090-01-31T00:00:00+01:00":                `{"expires_at":"2090-01-31T00:00:00+01:00","scope":"write"}`,
		"apikey expire acme pk_m2k8vq0x7c4d --never":                            `{"expires_at":null}`,
		"apikey expire acme pk_m2k8vq0x7c4d_hunter2 --at 2001-01-01T00:00:00Z":  `{"expires_at":"2001-01-01T00:00:00Z"}`,
		"apikey revoke acme pk_m2k8vq0x7c4d":                                    `null`,
		"tenant set acme --rate 0.5 --burst default --max-body 1KiB":            `{"limits":{"burst":null,"max_body":1024,"rate":0.5}}`,
		"tenant set acme --in-flight 0 --cache-for 10s --queue-timeout default": `{"limits":{"cache_for":"10s","in_flight":0,"queue_timeout":null}}`,
		"tenant add acme --rate 5 --max-result 10MiB --cache-for 1m":            `{"id":"acme","limits":{"cache_for":"1m","max_result":10485760,"rate":5}}`,
	} {
		api := &heard{api: answers()}
		code, _, stderr := faked(t, api, strings.Fields(line)...)
		if got, _ := json.Marshal(api.last); code != exitOK || string(got) != want {
			t.Errorf("%s: %d %s, want %s; %s", line, code, got, want, stderr)
		}
	}
}

func TestSoLongFromNowIsATime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 2, 27, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"0s": "2026-02-27T12:00:00Z", "90m": "2026-02-27T13:30:00Z", "3d": "2026-03-02T12:00:00Z", "36500d": "2126-02-03T12:00:00Z", "2030-01-31T00:00:00+02:00": "2030-01-30T22:00:00Z",
	} {
		if at, err := momentFrom("--at", text, now); err != nil || at.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s: %v %v, want %s", text, at, err, want)
		}
	}
	for _, text := range []string{"", "d", "30", "-1s", "1.5d", "36501d", "99999999999999999999d", "2030-01-31", "now\x1b"} {
		if at, err := momentFrom("--at", text, now); err == nil || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q is %v, %v", text, at, err)
		}
	}
}

func TestAConnectionStringLeadsToTheEndpoint(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{
		"":                           "",
		"https://api.db.example.com": "connection string: postgresql://acme:KEY@acme.db.example.com/acme, with the key in place of KEY",
		"https://db.example.com/x/":  `connection string: postgresql://acme:KEY@acme.db.example.com/acme, with the key in place of KEY; @neondatabase/serverless needs neonConfig.fetchEndpoint = "https://db.example.com/x/sql"`,
		"http://api.example.com":     `connection string: postgresql://acme:KEY@acme.example.com/acme, with the key in place of KEY; @neondatabase/serverless needs neonConfig.fetchEndpoint = "http://api.example.com/sql"`,
		"http://127.0.0.1:8080":      `connection string: postgresql://acme:KEY@acme.localhost/acme, with the key in place of KEY; @neondatabase/serverless needs neonConfig.fetchEndpoint = "http://127.0.0.1:8080/sql"`,
		"http://[::1]:8080":          `connection string: postgresql://acme:KEY@acme.localhost/acme, with the key in place of KEY; @neondatabase/serverless needs neonConfig.fetchEndpoint = "http://[::1]:8080/sql"`,
	} {
		if got, err := connectionTo(at, "acme"); err != nil || got != want {
			t.Errorf("%s: %v\n%s, want\n%s", at, err, got, want)
		}
	}
	for _, at := range []string{"x", "//x", "https://", "https://u:p@x", "postgres://x", "https://x\x00"} {
		if got, err := connectionTo(at, "acme"); err == nil {
			t.Errorf("%q: %s", at, got)
		}
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no room") }

func TestAKeyThatCannotBePrintedIsNamed(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(answers())
	defer server.Close()
	for _, flag := range []string{"--quiet", "--json"} {
		var stderr strings.Builder
		app := &App{Stdout: full{}, Stderr: &stderr, Env: []string{"POOLKEEPER_SERVER=" + server.URL}}
		code := app.Run(t.Context(), []string{"apikey", "create", "acme", flag})
		if want := "poolkeeper: the key pk_m2k8vq0x7c4d was made and could not be printed; revoke it: no room\n"; code != exitFailed || stderr.String() != want {
			t.Errorf("%s: %d %q", flag, code, stderr.String())
		}
	}
}

func TestEveryPageOfKeysIsAskedFor(t *testing.T) {
	t.Parallel()
	api := fakeAdmin{
		"GET /api-keys?limit=1000":                    `200 {"keys":[` + fakeKey("aaaaaaaaaaaa", "a", "active", "") + `],"next":"aaaaaaaaaaaa"}`,
		"GET /api-keys?after=aaaaaaaaaaaa&limit=1000": `200 {"keys":[` + fakeKey("bbbbbbbbbbbb", "b", "active", "") + `]}`,
		"GET /api-keys?after=aaaaaaaaaaaa&limit=100":  `200 {"keys":[]}`,
	}
	code, stdout, stderr := faked(t, api, "apikey", "list", "--all", "--json")
	if code != exitOK || strings.Count(stdout, `"prefix"`) != 2 || strings.Contains(stdout, "next") {
		t.Errorf("%d %s %s", code, stdout, stderr)
	}
	if code, stdout, stderr := faked(t, api, "apikey", "list", "--after", "pk_aaaaaaaaaaaa"); code != exitOK || stdout != "" || stderr != "no API keys\n" {
		t.Errorf("%d %s %s", code, stdout, stderr)
	}
}

func TestATenantIsShownWhereItsKeysAreNotKnown(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{problem(409, "no_control", "None", ""), problem(404, "not_found", "None", ""), "200 7", `200 {"keys":[]}`} {
		code, stdout, stderr := faked(t, fakeAdmin{"GET /tenants/acme": "200 " + fakeAcme, "GET /tenants/acme/api-keys": answer}, "tenant", "show", "acme")
		if code != exitOK || strings.Contains(stdout, "api keys") || stderr != "" {
			t.Errorf("%d %s %s", code, stdout, stderr)
		}
	}
	page := `200 {"keys":[` + fakeKey("aaaaaaaaaaaa", "a", "active", "") + `],"next":"x"}`
	if _, stdout, _ := faked(t, fakeAdmin{"GET /tenants/acme": "200 " + fakeAcme, "GET /tenants/acme/api-keys": page}, "tenant", "show", "acme"); !strings.Contains(stdout, "api keys           more than 1\n") {
		t.Errorf("%s", stdout)
	}
}

func TestTheTwoKindsOfKeysPointAtEachOther(t *testing.T) {
	t.Parallel()
	for command, other := range map[string]string{"keys": "poolkeeper apikey", "apikey": "poolkeeper keys"} {
		if _, help, _ := execute(t, nil, command, "--help"); !strings.Contains(help, other) {
			t.Errorf("%s says nothing of %s:\n%s", command, other, help)
		}
	}
}
