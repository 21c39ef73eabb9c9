package router_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
)

// busy is a keeper whose tenant has all its connections in use.
type busy struct{}

func (busy) Lease(context.Context, registry.ID) (*pools.Lease, error) {
	return nil, pools.ErrTenantTimeout
}

func ask(h http.Handler, host, path string) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(context.Background(), http.MethodGet, path, nil)
	req.Host = host
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

// Each tenant has a subdomain, and whoever authenticates users stands in front.
func Example() {
	cfg := router.Defaults()
	cfg.Resolvers = []string{"host"}
	cfg.Open = []string{"host"}
	cfg.HostTemplate = "{tenant}.example.com"

	r, err := router.New(cfg, router.Deps{Tenants: records{}, Pools: busy{}}) // a *registry.Registry and a *pools.Keeper
	if err != nil {
		fmt.Println(err)
		return
	}
	h := r.Middleware(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		visit, err := router.From(req.Context())
		if err != nil {
			router.WriteProblem(w, req, router.ProblemOf(err))
			return
		}
		_, _ = fmt.Fprintf(w, "this is %s", visit.Tenant().ID)
	}))

	for _, host := range []string{"acme.example.com", "nobody.example.com", "hooli.example.com", "www.example.com"} {
		w := ask(h, host, "/")
		fmt.Println(host, w.Code, w.Header().Get("Content-Type"))
	}
	// Output:
	// acme.example.com 200 text/plain; charset=utf-8
	// nobody.example.com 404 application/problem+json
	// hooli.example.com 404 application/problem+json
	// www.example.com 404 application/problem+json
}

// A handler leases when it needs the database, and answers with what went
// wrong.
func ExampleLease() {
	cfg := router.Defaults()
	cfg.Resolvers = []string{"path"}
	cfg.Open = []string{"path"}

	r, err := router.New(cfg, router.Deps{Tenants: records{}, Pools: busy{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	h := r.Middleware(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		lease, err := router.Lease(req.Context())
		if err != nil {
			router.WriteProblem(w, req, router.ProblemOf(err))
			return
		}
		rows, err := lease.Query(req.Context(), "select name from items")
		if err != nil {
			router.WriteProblem(w, req, router.ProblemOf(err))
			return
		}
		defer rows.Close()
	}))

	w := ask(h, "example.com", "/t/acme/items")
	fmt.Println(w.Code, "Retry-After:", w.Header().Get("Retry-After"))
	// Output: 429 Retry-After: 1
}

func ExampleRouter_Route() {
	cfg := router.Defaults()
	cfg.Resolvers = []string{"path", "header"}
	cfg.Open = []string{"path"}
	r, err := router.New(cfg, router.Deps{Tenants: records{}, Pools: busy{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	req := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/t/acme/items", nil)
	req.Header.Set("X-Tenant-ID", "globex")
	_, err = r.Route(req)
	fmt.Println(err)
	fmt.Println(errors.Is(err, router.ErrConflict))

	req.Header.Del("X-Tenant-ID")
	visit, err := r.Route(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer visit.Close()
	fmt.Println(visit.Tenant().ID)
	// Output:
	// router: tenant refused: resolvers disagree (by header)
	// true
	// acme
}

// The program's own SQL gets the user from the verified token, and never from
// what the request says beside it.
func ExampleClaims() {
	cfg := router.Defaults()
	cfg.Resolvers = []string{"jwt", "path"}

	r, err := router.New(cfg, router.Deps{Tenants: records{}, Pools: busy{}, Tokens: issuer{}}) // a *token.Verifier
	if err != nil {
		fmt.Println(err)
		return
	}
	h := r.Middleware(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		user, ok := router.Claims(req.Context())["sub"].(string)
		if !ok {
			http.Error(w, "a token with a subject is needed", http.StatusForbidden)
			return
		}
		// In a transaction on router.Lease(req.Context()):
		//
		//	tx.Exec(ctx, "select set_config('app.user', $1, true)", user)
		//
		// after which a row policy may compare with current_setting('app.user').
		_, _ = fmt.Fprintln(w, "the items of", user)
	}))

	for _, path := range []string{"/t/acme/items", "/t/globex/items"} {
		req := httptest.NewRequestWithContext(context.Background(), http.MethodGet, path, nil)
		req.Header.Set("Authorization", "Bearer "+tokenOf("acme"))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		fmt.Println(path, w.Code)
		if w.Code == http.StatusOK {
			fmt.Print(w.Body)
		}
	}
	// Output:
	// /t/acme/items 200
	// the items of somebody of acme
	// /t/globex/items 404
}

// pool says which pool was asked for.
type pool struct{}

func (pool) Lease(_ context.Context, id registry.ID) (*pools.Lease, error) {
	fmt.Println("leases", id, "with the login that can only read:", id.IsReader())
	return nil, registry.ErrNoReader // of this tenant there is none
}

// A key that may only read gets a login that can do no more, and a tenant
// without one is told so.
func ExampleVisit_ReadOnly() {
	cfg := router.Defaults()
	cfg.Resolvers = []string{"key"}
	r, err := router.New(cfg, router.Deps{Tenants: records{}, Pools: pool{}, Keys: keyring{}}) // a *control.Database
	if err != nil {
		fmt.Println(err)
		return
	}
	req := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/sql", nil)
	req.Header.Set("apikey", keyOf("reader-acme"))
	visit, err := r.Route(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer visit.Close()
	fmt.Println(visit.Tenant().ID, visit.ReadOnly())

	_, err = visit.Lease(req.Context())
	p := router.ProblemOf(err)
	fmt.Println(p.Status, p.Code)
	// Output:
	// acme true
	// leases acme+read with the login that can only read: true
	// 403 read_only
}

func ExampleProblemOf() {
	for _, err := range []error{
		registry.ErrUnknown,
		pools.ErrTenantQueue,
		&pools.DatabaseError{RetryAfter: 3 * time.Second, Err: errors.New("refused")},
		&pgconn.PgError{Code: "42P01", Message: `relation "itms" does not exist`},
		errors.New("a mistake in the program"),
	} {
		p := router.ProblemOf(err)
		fmt.Println(p.Status, p.Code, p.RetryAfter)
	}
	// Output:
	// 401 tenant_refused 0s
	// 429 tenant_limit 1s
	// 503 database_unavailable 3s
	// 400 42P01 0s
	// 500 internal 0s
}

// Where a client names a resource and writes no SQL, a violated constraint is
// a conflict with what is there.
func ExampleProblem_REST() {
	err := &pgconn.PgError{Code: "23505", Message: "duplicate key value violates unique constraint"}
	p := router.ProblemOf(err)
	fmt.Println(p.Status, p.REST().Status, p.REST().Code)
	// Output: 400 409 23505
}

func ExampleConfig_Validate() {
	cfg := router.Defaults()
	cfg.Resolvers = []string{"host", "header"}
	cfg.Open = []string{"header"}
	fmt.Println(cfg.Validate())
	// Output:
	// router.open: has header, which any client can write; it suffices only from the addresses in router.proxies
	// router.host_template: must be set, such as {tenant}.example.com, because router.resolvers lists host
}
