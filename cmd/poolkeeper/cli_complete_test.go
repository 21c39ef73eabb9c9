package main

import (
	"net/http"
	"strings"
	"testing"
)

func TestTheShellCompletesWhatTheServerKnows(t *testing.T) {
	t.Parallel()
	api := fakeAdmin{
		"GET /tenants?limit=50&prefix=a": `200 {"tenants":[` + fakeAcme + `]}`,
		"GET /tenants?limit=50":          `200 {"tenants":[` + fakeEvil + `]}`,
		"GET /tenants/acme/api-keys":     `200 {"keys":[` + fakeKey("0ldk3y000000", "old", "revoked", "") + `,` + fakeKey("m2k8vq0x7c4d", "web", "active", "") + `]}`,
		"GET /plans":                     `200 {"plans":[{"name":"pro"},{"name":"small"}]}`,
		"GET /clusters":                  `200 {"clusters":[{"cluster":"main"}]}`,
		"GET /operations":                `200 {"operations":[{"id":"0000000042","kind":"add","tenant":"acme","state":"done"}]}`,
	}
	for line, want := range map[string]string{
		"tenant show a":              "acme\tAcme Inc.",
		"tenant delete ^":            "evil\tE\uFFFD[31mvil\uFFFD",
		"tenant show acme ^":         "",
		"apikey create a":            "acme\tAcme Inc.",
		"apikey list a":              "acme\tAcme Inc.",
		"apikey revoke a":            "acme\tAcme Inc.",
		"apikey revoke acme ^":       "pk_m2k8vq0x7c4d\tweb, write, active",
		"apikey expire acme ^":       "pk_m2k8vq0x7c4d\tweb, write, active",
		"apikey expire acme pk_x ^":  "",
		"migrate up --tenant a":      "acme\tAcme Inc.",
		"audit list --tenant a":      "acme\tAcme Inc.",
		"tenant list --plan ^":       "pro small",
		"tenant list --cluster ^":    "main",
		"tenant list --status ^":     "pending active suspended retired",
		"doctor --severity ^":        "error warning info",
		"operations watch ^":         "0000000042\tadd acme, done",
		"operations cancel ^":        "0000000042\tadd acme, done",
		"migrate down --run ^":       "0000000042\tadd acme, done",
		"operations list --state ^":  "running done failed interrupted",
		"tenant add x --isolation ^": "schema database row",
	} {
		args := strings.Fields("__complete " + line)
		for i, arg := range args {
			args[i] = strings.Trim(arg, "^")
		}
		code, stdout, _ := faked(t, api, args...)
		lines := strings.Split(strings.TrimSpace(stdout), "\n")
		if got := strings.Join(lines[:len(lines)-1], " "); got != want || code != exitOK {
			t.Errorf("%s: %d %q, want %q", line, code, got, want)
		}
	}
}

func TestAShellThatCannotCompleteStaysSilent(t *testing.T) {
	t.Parallel()
	broken := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) })
	code, stdout, stderr := faked(t, broken, "__complete", "tenant", "show", "")
	if code != exitOK || stdout != ":4\n" || strings.Contains(stderr, "502") {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
}
