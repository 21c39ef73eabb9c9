package router_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/router"
)

// Whoever asks for tenants that are not to be had learns nothing from the
// answers, bytes and headers alike.
func TestAllRefusalsLookTheSameFromOutside(t *testing.T) {
	withEach(t, func(t *testing.T, mount mounter) {
		h := mount(newRouter(t, quiet("host", "path", "neon", "header"), &lender{}, nil), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			t.Error("the handler was called")
		}))
		for name, group := range refusals() {
			var want string
			for _, q := range group {
				got := answer(t, h, q)
				if want == "" {
					want = got
				}
				if got != want {
					t.Errorf("%s: %+v gets\n%s\nanother one\n%s", name, q, got, want)
				}
			}
		}
	})
}

// refusals are requests that name a tenant in the same way.
func refusals() map[string][]request {
	proxied := func(pairs ...string) request { return request{remote: fromProxy, header: header(pairs...)} }
	direct := func(pairs ...string) request { return request{header: header(pairs...)} }
	return map[string][]request{
		"header": {
			proxied(tenantID, "nobody"),           // unknown
			proxied(tenantID, "hooli"),            // inactive
			proxied(tenantID, "No_Body"),          // malformed
			proxied(tenantID, "a", tenantID, "b"), // malformed
			direct(tenantID, "acme"),              // forbidden
			direct(tenantID, "nobody"),            // forbidden and unknown
			{},                                    // none
			proxied(tenantID, "acme", neon, neonOf("globex.gw")), // disagreement
		},
		"neon": {
			proxied(neon, neonOf("nobody.gw")),
			proxied(neon, neonOf("hooli.gw")),
			proxied(neon, neonOf("a_b.gw")),
			proxied(neon, "nonsense"),
			direct(neon, neonOf("acme.gw")),
			{},
		},
		"host": {
			{host: "nobody.example.com"},
			{host: "hooli.example.com"},
			{host: "a_b.example.com"},
			{host: "a.b.example.com"},
			{host: "www.example.com"},
			{host: "127.0.0.1"},
			{host: "acme.example.com", header: header(tenantID, "globex")},
			{host: "acme.example.com", path: "/t/globex"},
		},
		"path": {
			{path: "/t/nobody/sql"},
			{path: "/t/hooli/sql"},
			{path: "/t/a_b/sql"},
			{path: "/t/acme%2Fglobex/sql"},
			{path: "/t/acme/sql", header: header(tenantID, "globex")},
		},
	}
}

// With credentials the reasons are more, and the answers are not.
func TestAllRefusalsLookTheSameWhereCredentialsAreTaken(t *testing.T) {
	withEach(t, func(t *testing.T, mount mounter) {
		cfg := quiet("key", "jwt", "host", "path", "neon", "header")
		cfg.Open = nil
		h := mount(guarded(t, cfg, &lender{}, nil), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			t.Error("the handler was called")
		}))
		answers := map[bool]string{}
		for place, written := range places() {
			for name, q := range refusedCredentials(written) {
				got := answer(t, h, q)
				if want := answers[place.addressed]; want == "" {
					answers[place.addressed] = got
				} else if got != want {
					t.Errorf("%s, %s gets\n%s\nothers\n%s", place.name, name, got, want)
				}
			}
		}
		if !strings.Contains(answers[false], " 401 ") || !strings.Contains(answers[true], " 404 ") {
			t.Errorf("got\n%s\nand\n%s", answers[false], answers[true])
		}
	})
}

// quiet is production without a limit for those who are refused.
func quiet(resolvers ...string) router.Config {
	cfg := production(resolvers...)
	cfg.ProbeRate = 0
	return cfg
}

// A place is where a request names its tenant beside the credential.
type place struct {
	name      string
	addressed bool // by host or path: 404
}

// places write a tenant's name into a request.
func places() map[place]func(request, string) request {
	with := func(q request, key, value string) request {
		if q.header = q.header.Clone(); q.header == nil {
			q.header = http.Header{}
		}
		q.header.Set(key, value)
		return q
	}
	return map[place]func(request, string) request{
		{"nowhere", false}:           func(q request, _ string) request { return q },
		{"header", false}:            func(q request, name string) request { return with(q, tenantID, name) },
		{"connection string", false}: func(q request, name string) request { return with(q, neon, "postgresql://u@"+name+".gw/db") },
		{"header, at an API's host", false}: func(q request, name string) request {
			q.host = "api.example.com"
			return with(q, tenantID, name)
		},
		{"host", true}: func(q request, name string) request { q.host = name + ".example.com"; return q },
		{"path", true}: func(q request, name string) request { q.path = "/t/" + name + "/sql"; return q },
	}
}

// refusedCredentials are all the reasons for which there is nobody to serve.
func refusedCredentials(name func(request, string) request) map[string]request {
	k, j := keyOf("acme"), tokenOf("acme")
	in := func(pairs ...string) request { return request{header: header(pairs...)} }
	return map[string]request{
		"no credential":                  name(request{}, "acme"),
		"no credential, unknown":         name(request{}, "nobody"),
		"no credential, malformed":       name(request{}, "a_b"),
		"an unknown key":                 name(bearer(keyOf("unknown")), "acme"),
		"an unknown key, unknown":        name(bearer(keyOf("unknown")), "nobody"),
		"a key with a wrong secret":      name(bearer("pk_acme_x"), "acme"),
		"an expired key":                 name(bearer(keyOf("expired")), "acme"),
		"a revoked key":                  name(bearer(keyOf("revoked")), "acme"),
		"a revoked key, suspended":       name(bearer(keyOf("revoked")), "hooli"),
		"a key in pieces":                name(bearer("pk_"), "acme"),
		"a forged token":                 name(bearer(tokenOf("forged")), "acme"),
		"an expired token":               name(bearer(tokenOf("expired")), "acme"),
		"a token with wrong claims":      name(bearer(tokenOf("claims")), "nobody"),
		"nonsense":                       name(bearer("x"), "acme"),
		"an empty bearer":                name(bearer(""), "acme"),
		"another scheme":                 name(in("Authorization", "Basic dTpw"), "acme"),
		"an empty key":                   name(in("apikey", ""), "acme"),
		"two keys":                       name(in("apikey", k, "apikey", k), "acme"),
		"a suspended tenant's key":       name(bearer(keyOf("hooli")), "hooli"),
		"a suspended tenant's token":     name(bearer(tokenOf("hooli")), "hooli"),
		"a key of a tenant that is gone": name(bearer(keyOf("nobody")), "nobody"),
		"a key and another's token":      name(in("apikey", k, "Authorization", "Bearer "+tokenOf("globex")), "acme"),
		"a good token and a bad key":     name(in("apikey", keyOf("expired"), "Authorization", "Bearer "+j), "acme"),
	}
}

// answer is all of a response but the request's id.
func answer(t *testing.T, h http.Handler, q request) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, q.build(t))
	id := w.Header().Get("X-Request-Id")
	if id == "" || !strings.Contains(w.Body.String(), id) {
		t.Errorf("no request id in %s", w.Body)
	}
	var text strings.Builder
	if err := w.Result().Write(&text); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(text.String(), id, "ID")
}
