package router_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
)

// newOneRecord costs nothing to ask, so that the router alone is measured.
func newOneRecord() tenantsFunc {
	tenant := &registry.Tenant{ID: registry.MustParseID("acme"), Status: registry.StatusActive}
	return func(registry.ID) (*registry.Tenant, error) { return tenant, nil }
}

func benchRouter(b *testing.B, cfg router.Config) *router.Router {
	b.Helper()
	r, err := router.New(cfg, newOneRecord(), &lender{}, nil)
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

func BenchmarkRefusal(b *testing.B) {
	r, req := benchRouter(b, production("header")), request{header: header(tenantID, "acme")}.build(b)
	b.ReportAllocs()
	for b.Loop() {
		_, err := r.Route(req)
		if router.ProblemOf(err).Status != http.StatusUnauthorized {
			b.Fatal(err)
		}
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
	r, err := router.New(production("host", "path", "neon", "header"), newOneRecord(), &lender{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	req := request{
		host: "acme.example.com:8443", path: "/t/acme/sql", remote: fromProxy,
		header: header(tenantID, "acme", neon, neonOf("acme.gw.example.com")),
	}.build(t)
	allocs := testing.AllocsPerRun(1000, func() {
		visit, err := r.Route(req)
		if err != nil {
			t.Fatal(err)
		}
		visit.Close()
	})
	if allocs > 1 {
		t.Errorf("%v allocations per request, want 1", allocs)
	}
}
