package router_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
)

// A judgement is what a chain as a whole makes of a request.
type judgement struct {
	name      string
	resolvers []string
	open      []string
	dev       bool
	request
	want string // the tenant, or
	err  error
	by   string
}

func neonOf(host string) string { return "postgresql://key:secret@" + host + "/db" }

func judgements() []judgement {
	all := []string{"host", "path", "neon", "header"}
	proxied := func(pairs ...string) request { return request{remote: fromProxy, header: header(pairs...)} }
	direct := func(pairs ...string) request { return request{remote: fromClient, header: header(pairs...)} }
	host := func(name string, q request) request { q.host = name + ".example.com"; return q }
	path := func(name string, q request) request { q.path = "/t/" + name + "/sql"; return q }
	open := []string{"host", "path"}

	return []judgement{
		// Who suffices.
		{"an open place", all, open, false, host("acme", direct()), "acme", nil, "host"},
		{"another open place", all, open, false, path("acme", direct()), "acme", nil, "path"},
		{"a place that is not open", all, nil, false, host("acme", direct()), "", router.ErrUntrusted, "host"},
		{"a place that is not open, by a proxy", all, nil, false, host("acme", proxied()), "", router.ErrUntrusted, "host"},
		{"a header from a proxy", all, nil, false, proxied(tenantID, "acme"), "acme", nil, "header"},
		{"a connection string from a proxy", all, nil, false, proxied(neon, neonOf("acme.gw")), "acme", nil, "neon"},
		{"a header from a client", all, open, false, direct(tenantID, "acme"), "", router.ErrUntrusted, "header"},
		{"a connection string from a client", all, open, false, direct(neon, neonOf("acme.gw")), "", router.ErrUntrusted, "neon"},
		{"both from a client", all, open, false, direct(neon, neonOf("acme.gw"), tenantID, "acme"), "", router.ErrUntrusted, "neon"},
		{"a header in dev", all, nil, true, direct(tenantID, "acme"), "acme", nil, "header"},
		{"a place in dev", all, nil, true, host("acme", direct()), "acme", nil, "host"},
		{"a place that one vouches for and one does not", all, []string{"path"}, false, host("acme", path("acme", direct())), "acme", nil, "path"},
		{"a place that a proxy's header vouches for", all, nil, false, host("acme", proxied(tenantID, "acme")), "acme", nil, "header"},

		// Who must agree: everybody listed, whoever suffices.
		{"agreement of all", all, open, false, host("acme", path("acme", proxied(neon, neonOf("acme.gw"), tenantID, "acme"))), "acme", nil, "host"},
		{"agreement with a client's header", all, open, false, host("acme", direct(tenantID, "acme")), "acme", nil, "host"},
		{"host against path", all, open, false, host("acme", path("globex", direct())), "", router.ErrConflict, "path"},
		{"host against a client's header", all, open, false, host("acme", direct(tenantID, "globex")), "", router.ErrConflict, "header"},
		{"host against a proxy's header", all, open, false, host("acme", proxied(tenantID, "globex")), "", router.ErrConflict, "header"},
		{"host against a connection string", all, open, false, host("acme", direct(neon, neonOf("globex.gw"))), "", router.ErrConflict, "neon"},
		{"a connection string against a header", all, nil, true, direct(neon, neonOf("acme.gw"), tenantID, "globex"), "", router.ErrConflict, "header"},
		{"a tenant against an unknown one", all, open, false, host("acme", direct(tenantID, "nobody")), "", router.ErrConflict, "header"},
		{"the third against the first two", all, open, false, host("acme", path("acme", direct(tenantID, "globex"))), "", router.ErrConflict, "header"},

		// No fall-through.
		{"a malformed host with a good header", all, open, false, host("ac_me", proxied(tenantID, "acme")), "", router.ErrMalformed, "host"},
		{"a good host with a malformed header", all, open, false, host("acme", direct(tenantID, "ACME")), "", router.ErrMalformed, "header"},
		{"a good host with an empty header", all, open, false, host("acme", direct(tenantID, "")), "", router.ErrMalformed, "header"},
		{"a good path with a malformed connection string", all, open, false, path("acme", direct(neon, "x")), "", router.ErrMalformed, "neon"},
		{"an unknown host with a good header", all, open, false, host("nobody", proxied()), "", registry.ErrUnknown, "host"},
		{"the first of two errors", all, open, false, path("a_b", direct(tenantID, "A")), "", router.ErrMalformed, "path"},

		// Reserved hosts name nobody, and so leave it to others.
		{"a reserved host with a path", all, open, false, host("api", path("acme", direct())), "acme", nil, "path"},
		{"a reserved host with a connection string", all, nil, true, host("api", direct(neon, neonOf("acme.gw"))), "acme", nil, "neon"},
		{"an address with a header", all, nil, true, request{host: "127.0.0.1:8080", header: header(tenantID, "acme")}, "acme", nil, "header"},
		{"a reserved host alone", all, open, false, host("www", direct()), "", router.ErrReserved, "host"},
		{"a reserved host with a header that does not count", all, open, false, host("www", direct(tenantID, "acme")), "", router.ErrUntrusted, "header"},
		{"a reserved host with a malformed header", all, open, false, host("www", direct(tenantID, "ACME")), "", router.ErrMalformed, "header"},

		// Nobody, and those who are not listed.
		{"nobody", all, open, false, direct(), "", router.ErrNoTenant, "none"},
		{"nobody in dev", all, nil, true, direct(), "", router.ErrNoTenant, "none"},
		{"a header that is not listed", []string{"host"}, []string{"host"}, false, host("acme", direct(tenantID, "globex")), "acme", nil, "host"},
		{"a malformed path that is not listed", []string{"host"}, []string{"host"}, false, host("acme", path("G_", direct())), "acme", nil, "host"},
		{"only what is not listed", []string{"host"}, []string{"host"}, false, proxied(tenantID, "acme"), "", router.ErrNoTenant, "none"},
		{"the order of the list", []string{"path", "host", "header"}, nil, true, host("acme", path("acme", direct(tenantID, "acme"))), "acme", nil, "path"},

		// The record.
		{"an unknown tenant", all, open, false, host("nobody", direct()), "", registry.ErrUnknown, "host"},
		{"an inactive tenant", all, open, false, path("hooli", direct()), "", registry.ErrInactive, "path"},
		{"a record that cannot be had", all, open, false, path("faraway", direct()), "", registry.ErrUnavailable, "path"},
	}
}

func TestTheChainServesOnlyWhatAllAgreeOnAndOneVouchesFor(t *testing.T) {
	t.Parallel()
	for _, c := range judgements() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := production(c.resolvers...)
			cfg.Open, cfg.Dev = c.open, c.dev
			obs, lent := &log{}, &lender{}
			visit, err := newRouter(t, cfg, lent, obs).Route(c.build(t))
			by, observed := obs.last(t)
			if !errors.Is(err, c.err) || !errors.Is(observed, c.err) || by != c.by {
				t.Fatalf("got %v, observed %v by %s; want %v by %s", err, observed, by, c.err, c.by)
			}
			lent.expect(t, 0, 0)
			if err != nil {
				return
			}
			if got := visit.Tenant().ID.String(); got != c.want {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

func TestARefusalAsksForNoRecord(t *testing.T) {
	t.Parallel()
	// Whoever may not name a tenant learns nothing, not even from the time
	// that a lookup takes.
	for _, c := range judgements() {
		if !errors.Is(c.err, router.ErrRefused) {
			continue
		}
		cfg := production(c.resolvers...)
		cfg.Open, cfg.Dev = c.open, c.dev
		asked := tenantsFunc(func(id registry.ID) (*registry.Tenant, error) {
			t.Errorf("%s: the record of %s was asked for", c.name, id)
			return nil, registry.ErrUnknown
		})
		r, err := router.New(cfg, router.Deps{Tenants: asked, Pools: &lender{}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Route(c.build(t)); err == nil {
			t.Errorf("%s: served", c.name)
		}
	}
}

// Whoever develops has a browser that reaches the port, and pages of others in it.
func TestInDevModeAPageOfAnotherSiteIsNotBelieved(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		site    string
		open    bool
		refused bool
	}{
		{"cross-site", false, true},
		{"cross-site", true, false},
		{"same-site", false, false},
		{"same-origin", false, false},
		{"none", false, false},
		{"", false, false},
	} {
		cfg := config("path", "header")
		if c.open {
			cfg.Open = []string{"path"}
		}
		r := newRouter(t, cfg, &lender{}, nil)
		for _, shown := range []request{{path: "/t/acme"}, {path: "/t/acme", header: header(tenantID, "acme")}} {
			req := shown.build(t)
			if c.site != "" {
				req.Header.Set("Sec-Fetch-Site", c.site)
			}
			if _, err := r.Route(req); c.refused != errors.Is(err, router.ErrUntrusted) || !c.refused && err != nil {
				t.Errorf("%+v: %v", c, err)
			}
		}
	}
}

// tenantsFunc is a registry made of a function.
type tenantsFunc func(registry.ID) (*registry.Tenant, error)

func (f tenantsFunc) Tenant(_ context.Context, id registry.ID) (*registry.Tenant, error) {
	return f(id)
}

func TestARecordThatIsNotActiveIsRefusedWhateverItsSourceSays(t *testing.T) {
	t.Parallel()
	for _, status := range []registry.Status{registry.StatusPending, registry.StatusSuspended, registry.StatusRetired, ""} {
		lax := tenantsFunc(func(id registry.ID) (*registry.Tenant, error) {
			return &registry.Tenant{ID: id, Status: status}, nil
		})
		r, err := router.New(config("header"), router.Deps{Tenants: lax, Pools: &lender{}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Route(request{header: header(tenantID, "acme")}.build(t))
		if !errors.Is(err, registry.ErrInactive) {
			t.Errorf("%q: got %v, want ErrInactive", status, err)
		}
	}
}

func TestTheRequestsContextReachesTheRecords(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req := request{header: header(tenantID, "acme")}.build(t).WithContext(ctx)
	_, err := newRouter(t, config("header"), &lender{}, nil).Route(req)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want the context's error", err)
	}
}

func TestOnlyTheIdOfARequestIsInItsError(t *testing.T) {
	t.Parallel()
	r := newRouter(t, config("neon"), &lender{}, nil)
	_, err := r.Route(request{header: header(neon, neonOf("nobody.gw.example.com"))}.build(t))
	if err == nil || !strings.Contains(err.Error(), "nobody") || !strings.Contains(err.Error(), "neon") {
		t.Errorf("the error should name the tenant and the resolver: %v", err)
	}
	if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "gw.example") {
		t.Errorf("the error has more of the connection string than its tenant: %v", err)
	}
}

func TestTheHeaderMayHaveAnyNameAndCase(t *testing.T) {
	t.Parallel()
	cfg := config("header")
	cfg.Header = "x-customer"
	r := newRouter(t, cfg, &lender{}, nil)
	visit, err := r.Route(request{header: header("X-CUSTOMER", "acme")}.build(t))
	if err != nil || visit.Tenant().ID.String() != "acme" {
		t.Fatalf("got %v, %v", visit, err)
	}
}

func TestThePrefixMayHaveSeveralSegments(t *testing.T) {
	t.Parallel()
	cfg := config("path")
	cfg.PathPrefix = "/api/v1/tenants/"
	r := newRouter(t, cfg, &lender{}, nil)
	visit, err := r.Route(request{path: "/api/v1/tenants/acme/sql"}.build(t))
	if err != nil || visit.Tenant().ID.String() != "acme" {
		t.Fatalf("got %v, %v", visit, err)
	}
}

func TestARouterWithoutAnObserverIsSilent(t *testing.T) {
	t.Parallel()
	if _, err := newRouter(t, config("header"), &lender{}, nil).Route(request{}.build(t)); !errors.Is(err, router.ErrNoTenant) {
		t.Fatalf("got %v", err)
	}
}

func TestEveryRefusalMatchesErrRefused(t *testing.T) {
	t.Parallel()
	all := []error{router.ErrMalformed, router.ErrReserved, router.ErrConflict, router.ErrUntrusted, router.ErrCredential}
	for i, err := range all {
		if !errors.Is(err, router.ErrRefused) || errors.Is(err, router.ErrNoTenant) {
			t.Errorf("%v matches the wrong sentinel", err)
		}
		for _, other := range slices.Delete(slices.Clone(all), i, i+1) {
			if errors.Is(err, other) {
				t.Errorf("%v matches %v", err, other)
			}
		}
	}
}

func TestARequestWithoutAHostNamesNobodyThere(t *testing.T) {
	t.Parallel()
	req := request{}.build(t)
	req.Host = ""
	if _, err := newRouter(t, config("host"), &lender{}, nil).Route(req); !errors.Is(err, router.ErrNoTenant) {
		t.Fatalf("got %v, want ErrNoTenant", err)
	}
	req.Header = http.Header{forwarded: {"acme.example.com"}}
	req.RemoteAddr = fromProxy
	visit, err := newRouter(t, production("host"), &lender{}, nil).Route(req)
	if err != nil || visit.Tenant().ID.String() != "acme" {
		t.Fatalf("got %v, %v", visit, err)
	}
}
