package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server"
)

// limited gives acme limits of its own.
func limited(l registry.Limits) func(*harness) {
	return func(h *harness) { h.records.all[0].Limits = l }
}

func TestATenantsOwnSizesLieBelowThoseForAll(t *testing.T) {
	t.Parallel()
	body := func(n int) string { return `{"query":"one","params":["` + strings.Repeat("x", n) + `"]}` }
	for _, c := range []struct {
		name   string
		limits registry.Limits
		body   string
		status int
	}{
		{"a body of the tenant's size", registry.Limits{MaxBody: 2000}, body(1900), 200},
		{"a body above the tenant's size", registry.Limits{MaxBody: 2000}, body(2000), 413},
		{"a body above that for all", registry.Limits{MaxBody: 1 << 20}, body(5000), 413},
		{"a body without limits of the tenant's", registry.Limits{}, body(3000), 200},
		{"an answer of the tenant's size", registry.Limits{MaxResult: 2000}, `{"query":"wide 1800"}`, 200},
		{"an answer above the tenant's size", registry.Limits{MaxResult: 2000}, `{"query":"wide 2000"}`, 507},
		{"an answer above that for all", registry.Limits{MaxResult: 1 << 20}, `{"query":"wide 5000"}`, 507},
		{"an answer without limits of the tenant's", registry.Limits{}, `{"query":"wide 3000"}`, 200},
	} {
		h := newHarness(t, limited(c.limits), func(h *harness) { h.cfg.SQL.MaxBody, h.cfg.SQL.MaxResult = 4096, 4096 })
		if r := h.post(t, "/t/acme/sql", c.body); r.status != c.status {
			t.Errorf("%s: status %d, want %d: %.200s", c.name, r.status, c.status, r.body)
		}
		if r := h.post(t, "/t/quick/sql", body(3000)); r.status != http.StatusOK {
			t.Errorf("%s: another tenant: status %d", c.name, r.status)
		}
	}
}

func TestARowOfAStreamIsNoGreaterThanAnAnswerMayBe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		query  string
		status int
	}{{"wide 1900", 200}, {"wide 2100", 507}, {"rows 2000", 200}} {
		h := newHarness(t, limited(registry.Limits{MaxResult: 2000}), func(h *harness) { h.cfg.SQL.MaxResult = 4096 })
		r := h.post(t, "/t/acme/sql", `{"query":"`+c.query+`"}`, "Accept", "application/x-ndjson")
		if r.status != c.status || c.status == 200 && strings.Contains(r.body, `"error"`) {
			t.Errorf("%s: status %d: %.200s", c.query, r.status, r.body)
		}
		if r := h.post(t, "/t/quick/sql", `{"query":"wide 3000"}`, "Accept", "application/x-ndjson"); r.status != 200 {
			t.Errorf("%s: another tenant: status %d", c.query, r.status)
		}
	}
}

func TestTheLogHasThePublicIDOfTheKeyAndNotItsText(t *testing.T) {
	t.Parallel()
	key := apikey.Key{ID: "abcdefghijkl", Tenant: registry.MustParseID("acme"), Scope: apikey.ScopeWrite}
	for _, headers := range [][]string{
		{"Authorization", "Bearer " + keyText},
		{"Apikey", keyText},
		{"Neon-Connection-String", "postgresql://u:" + keyText + "@acme.example.com/db"},
	} {
		h := newHarness(t, credentials(vouching{key: key}))
		if r := h.post(t, "/sql", `{"query":"one"}`, headers...); r.status != http.StatusOK {
			t.Fatalf("%s: status %d: %s", headers[0], r.status, r.body)
		}
		if line := lastLine(t, h); line["key"] != "abcdefghijkl" || line["tenant"] != "acme" {
			t.Errorf("%s: the line is %v", headers[0], line)
		}
	}
	h := newHarness(t)
	h.post(t, "/t/acme/sql", `{"query":"one"}`)
	if key, there := lastLine(t, h)["key"]; there {
		t.Errorf("without a key the line has %v", key)
	}
}

// TestNoCredentialIsInAnyOutput searches everything that leaves the server:
// answers, their headers, and the log, whatever went wrong.
func TestNoCredentialIsInAnyOutput(t *testing.T) {
	t.Parallel()
	const secret = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"
	setups := map[string]func(*harness){"served": func(*harness) {}}
	for _, c := range statusCases() {
		if c.setup != nil {
			setups[c.name] = c.setup
		}
	}
	setups["a panic with a request"] = func(h *harness) {
		h.routes = func(c *router.Config, d *router.Deps) {
			c.Resolvers = append([]string{"key"}, c.Resolvers...)
			d.Keys = panicking{}
		}
	}
	for name, setup := range setups {
		h := newHarness(t, setup)
		for _, headers := range [][]string{
			{"Authorization", "Bearer " + keyText},
			{"Authorization", "Basic " + secret},
			{"Apikey", keyText},
			{"Neon-Connection-String", "postgresql://u:" + keyText + "@acme.example.com/db"},
			{"Neon-Connection-String", secret + "://u:" + keyText + "@/\x7f"},
			{"Apikey", keyText, "Authorization", "Bearer x." + secret, "Cookie", secret, "X-Request-Id", secret + "!"},
		} {
			for _, path := range []string{"/sql", "/t/acme/sql", "/nowhere", "/livez"} {
				r := h.post(t, path, `{"query":"one"}`, headers...)
				for where, text := range map[string]string{"body": r.body, "header": fmt.Sprint(r.header)} {
					if strings.Contains(text, secret) {
						t.Errorf("%s, %s, %s: the %s shows it: %s", name, headers[0], path, where, text)
					}
				}
			}
		}
		if log := h.log.String(); strings.Contains(log, secret) || strings.Contains(log, keyText) {
			t.Errorf("%s: the log shows it: %s", name, log)
		}
	}
}

func TestACredentialThatAPanicOrAnErrorRepeatsIsHidden(t *testing.T) {
	t.Parallel()
	const connection = "postgresql://u:s3cret%40password@acme.example.com/db"
	for name, text := range map[string]string{
		"Apikey": keyText, "Authorization": "Bearer " + keyText, "Neon-Connection-String": connection, "Cookie": "session=" + keyText,
	} {
		for _, panics := range []bool{true, false} {
			h := newHarness(t)
			h.server.SetAcquire(func(context.Context, *router.Visit) (server.Session, error) {
				said := "broken by " + text + " and " + keyText + " and s3cret%40password and s3cret@password"
				if panics {
					panic(said)
				}
				return nil, errors.New(said)
			})
			h.post(t, "/t/acme/sql", `{"query":"one"}`, name, text)
			log := h.log.String()
			if !strings.Contains(log, "broken by [hidden]") || strings.Contains(log, text) {
				t.Errorf("%s: %s", name, log)
			}
			if hides := name != "Neon-Connection-String"; strings.Contains(log, keyText) == hides || strings.Contains(log, "s3cret@password") != hides || strings.Contains(log, "s3cret%40password") != hides {
				t.Errorf("%s: %s", name, log)
			}
		}
	}
}

// panicking is a broken set of keys.
type panicking struct{ router.Keys }

func TestAnEndpointThatIsNotThereHasNoTimingEither(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) { h.cfg.SQL = server.Defaults().SQL })
	for _, path := range []string{"/nowhere", "/t/nobody/sql", "/t/hooli/sql"} {
		r := h.post(t, path, `{"query":"one"}`, "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
		if r.header.Get("Server-Timing") != "" || r.header.Get("Cache-Control") != "no-store" || r.header.Get("X-Request-Id") == "" || r.header.Get("Traceparent") == "" {
			t.Errorf("%s: %v", path, r.header)
		}
	}
	r := h.post(t, "/t/acme/sql", `{"query":"one"}`)
	if !strings.Contains(r.header.Get("Server-Timing"), "db;dur=") || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("served: %v", r.header)
	}
}
