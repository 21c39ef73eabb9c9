package router_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/router"
)

// newOneRecord costs nothing to ask, so that the router alone is measured.
func newOneRecord() tenantsFunc {
	tenant := &registry.Tenant{ID: registry.MustParseID("acme"), Status: registry.StatusActive}
	return func(registry.ID) (*registry.Tenant, error) { return tenant, nil }
}

func benchRouter(b *testing.B, cfg router.Config) *router.Router {
	b.Helper()
	return benchKeys(b, cfg, nil)
}

func benchKeys(b *testing.B, cfg router.Config, keys router.Keys) *router.Router {
	b.Helper()
	r, err := router.New(cfg, router.Deps{Tenants: newOneRecord(), Pools: &lender{}, Keys: keys})
	if err != nil {
		b.Fatal(err)
	}
	return r
}

func BenchmarkRoute(b *testing.B) {
	all := request{
		host: "acme.example.com:8443", path: "/t/acme/sql", remote: fromProxy,
		header: header(tenantID, "acme", neon, neonOf("acme.gw.example.com")),
	}
	for _, c := range []struct {
		name string
		cfg  router.Config
	}{
		{"host", production("host")},
		{"path", production("path")},
		{"neon", production("neon")},
		{"header", production("header")},
		{"all", production("host", "path", "neon", "header")},
	} {
		b.Run(c.name, func(b *testing.B) {
			r, req := benchRouter(b, c.cfg), all.build(b)
			b.ReportAllocs()
			for b.Loop() {
				visit, err := r.Route(req)
				if err != nil {
					b.Fatal(err)
				}
				visit.Close()
			}
		})
	}
}

// The real set of keys, with a thousand: what a key costs beside what it leads
// to, and what is saved where the same one stands in several places.
func BenchmarkRouteWithKey(b *testing.B) {
	keys, texts := newRing(1000)
	key := texts[500]
	for _, c := range []struct {
		name string
		request
	}{
		{"bearer", bearer(key)},
		{"password", request{header: header(neon, "postgresql://user:"+key+"@acme.gw.example.com/db")}},
		{"everywhere", request{
			host: "acme.example.com", path: "/t/acme/sql",
			header: header("Authorization", "Bearer "+key, "apikey", key, tenantID, "acme", neon, "postgresql://user:"+key+"@acme.gw.example.com/db"),
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			r, req := benchKeys(b, production("key", "host", "path", "neon", "header"), keys), c.build(b)
			b.ReportAllocs()
			for b.Loop() {
				visit, err := r.Route(req)
				if err != nil {
					b.Fatal(err)
				}
				visit.Close()
			}
		})
	}
}

func BenchmarkRefusal(b *testing.B) {
	limited := production("header")
	limited.ProbeRate, limited.ProbeBurst = 1, 1
	for _, c := range []struct {
		name   string
		cfg    router.Config
		status int
	}{
		{"refused", quiet("header"), http.StatusUnauthorized},
		{"probing", limited, http.StatusTooManyRequests},
	} {
		b.Run(c.name, func(b *testing.B) {
			r, req := benchRouter(b, c.cfg), request{header: header(tenantID, "acme")}.build(b)
			_, _ = r.Route(req)
			b.ReportAllocs()
			for b.Loop() {
				_, err := r.Route(req)
				if router.ProblemOf(err).Status != c.status {
					b.Fatal(err)
				}
			}
		})
	}
}

// A good request pays for the limit too: it asks whether its address may ask.
func BenchmarkRouteBehindAProxy(b *testing.B) {
	for name, cfg := range map[string]router.Config{"limited": production("path"), "unlimited": quiet("path")} {
		b.Run(name, func(b *testing.B) {
			r := benchRouter(b, cfg)
			req := request{path: "/t/acme", remote: fromProxy, header: header("X-Forwarded-For", "198.51.100.1, 203.0.113.9, 10.0.0.2")}.build(b)
			b.ReportAllocs()
			for b.Loop() {
				visit, err := r.Route(req)
				if err != nil {
					b.Fatal(err)
				}
				visit.Close()
			}
		})
	}
}

func BenchmarkMiddleware(b *testing.B) {
	r := benchRouter(b, production("header"))
	h := r.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	req := request{remote: fromProxy, header: header(tenantID, "acme", "X-Request-Id", "bench")}.build(b)
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		delete(w.Header(), "X-Request-Id")
		h.ServeHTTP(w, req)
	}
}

// One allocation is the visit itself; a second would be a mistake that grows
// with every request.
func TestRoutingAllocatesTheVisitAndNothingElse(t *testing.T) {
	key := keyOf("acme")
	keys := keysFunc(func() (apikey.Key, error) {
		return apikey.Key{Tenant: registry.MustParseID("acme"), Scope: apikey.ScopeWrite}, nil
	})
	for name, c := range map[string]struct {
		resolvers []string
		request
	}{
		"places": {[]string{"host", "path", "neon", "header"}, request{
			host: "acme.example.com:8443", path: "/t/acme/sql", remote: fromProxy,
			header: header(tenantID, "acme", neon, neonOf("acme.gw.example.com"), "X-Forwarded-For", "203.0.113.9"),
		}},
		"a client": {[]string{"path"}, request{path: "/t/acme/sql"}},
		"a key": {[]string{"key", "host", "path", "neon", "header"}, request{
			host: "acme.example.com", path: "/t/acme/sql",
			header: header("Authorization", "Bearer "+key, "apikey", key, tenantID, "acme", neon, "postgresql://user:"+key+"@acme.gw.example.com/db"),
		}},
	} {
		r, err := router.New(production(c.resolvers...), router.Deps{Tenants: newOneRecord(), Pools: &lender{}, Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		req := c.build(t)
		allocs := testing.AllocsPerRun(1000, func() {
			visit, err := r.Route(req)
			if err != nil {
				t.Fatal(err)
			}
			visit.Close()
		})
		if allocs > 1 {
			t.Errorf("%s: %v allocations per request, want 1", name, allocs)
		}
	}
}
