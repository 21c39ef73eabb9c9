package router_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/token"
)

func both(key, tok string) request {
	return request{header: header("apikey", key, "Authorization", "Bearer "+tok)}
}

func TestACredentialThatMayOnlyReadLeasesTheReader(t *testing.T) {
	t.Parallel()
	k, j, rk, rj := keyOf("acme"), tokenOf("acme"), keyOf("reader-acme"), tokenOf("reader-acme")
	proxied := request{remote: fromProxy, header: header(tenantID, "acme")}
	for _, c := range []struct {
		name string
		request
		pool string
	}{
		{"a key", bearer(k), "acme"},
		{"a key that may only read", bearer(rk), "acme+read"},
		{"a token", bearer(j), "acme"},
		{"a token that may only read", bearer(rj), "acme+read"},
		{"both", both(k, j), "acme"},
		{"both, of which the key may only read", both(rk, j), "acme+read"},
		{"both, of which the token may only read", both(k, rj), "acme+read"},
		{"both, that may only read", both(rk, rj), "acme+read"},
		{"a password that may only read", password(rk), "acme+read"},
		{"no credential", proxied, "acme"},
	} {
		l := &lender{}
		visit, err := guarded(t, production("key", "jwt", "header"), l, nil).Route(c.build(t))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if _, err := visit.Lease(t.Context()); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		visit.Close()
		l.expect(t, 1, 1)
		if got := l.released[0]; got != c.pool || visit.ReadOnly() != (c.pool == "acme+read") {
			t.Errorf("%s: leased %s, read-only %t; want %s", c.name, got, visit.ReadOnly(), c.pool)
		}
		if got := visit.Tenant().ID.String(); got != "acme" {
			t.Errorf("%s: the tenant is %s", c.name, got)
		}
	}
}

// What a scope is that is neither of the known ones, nobody can say: it may
// not write.
func TestAScopeThatIsNotKnownMayOnlyRead(t *testing.T) {
	t.Parallel()
	for _, scope := range []apikey.Scope{"", "admin", "WRITE"} {
		r, err := router.New(production("key"), router.Deps{Tenants: records{}, Pools: &lender{}, Keys: keysFunc(func() (apikey.Key, error) {
			return apikey.Key{Tenant: registry.MustParseID("acme"), Scope: scope}, nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		if visit, err := r.Route(bearer("pk_x").build(t)); err != nil || !visit.ReadOnly() {
			t.Errorf("%q: %v, %v", scope, visit, err)
		}
	}
}

type keysFunc func() (apikey.Key, error)

func (f keysFunc) Key(context.Context, string) (apikey.Key, error) { return f() }

// A reader's id names a pool and no tenant; who verifies credentials cannot
// have meant it.
func TestACredentialOfAReaderOrOfNobodyIsRefused(t *testing.T) {
	t.Parallel()
	for _, id := range []registry.ID{{}, registry.MustParseID("acme").Reader()} {
		r, err := router.New(production("key", "jwt"), router.Deps{
			Tenants: everybody{}, Pools: &lender{},
			Keys:   keysFunc(func() (apikey.Key, error) { return apikey.Key{Tenant: id, Scope: apikey.ScopeWrite}, nil }),
			Tokens: tokensFunc(func() (*token.Token, error) { return &token.Token{Tenant: id}, nil }),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"pk_x", "x"} {
			if _, err := r.Route(bearer(text).build(t)); !errors.Is(err, router.ErrCredential) {
				t.Errorf("%q: got %v, want ErrCredential", id, err)
			}
		}
	}
}

type tokensFunc func() (*token.Token, error)

func (f tokensFunc) Verify(context.Context, string) (*token.Token, error) { return f() }

func TestATenantWithoutAReaderIsToldWhatToDo(t *testing.T) {
	withEach(t, func(t *testing.T, mount mounter) {
		l := &lender{answer: func(context.Context, int) error { return fmt.Errorf("tenant acme: %w", registry.ErrNoReader) }}
		h := mount(guarded(t, production("key"), l, nil), http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			_, err := router.Lease(req.Context())
			router.WriteProblem(w, req, router.ProblemOf(err))
		}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, bearer(keyOf("reader-acme")).build(t))
		if p := problemIn(t, w); w.Code != http.StatusForbidden || p.Code != "read_only" || p.Detail == "" {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		l.expect(t, 1, 0)
	})
}

func TestAHandlerKnowsTheKeyAndTheClaims(t *testing.T) {
	withEach(t, func(t *testing.T, mount mounter) {
		var id string
		var claims map[string]any
		h := mount(guarded(t, production("key", "jwt", "path"), &lender{}, nil), http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			visit, err := router.From(req.Context())
			if err != nil {
				t.Fatal(err)
			}
			id, claims = visit.KeyID(), router.Claims(req.Context())
		}))
		for _, c := range []struct {
			request
			id  string
			sub any
		}{
			{bearer(keyOf("acme")), "id-acme", nil},
			{bearer(tokenOf("acme")), "", "somebody of acme"},
			{both(keyOf("acme"), tokenOf("acme")), "id-acme", "somebody of acme"},
			{request{path: "/t/acme"}, "", nil},
		} {
			h.ServeHTTP(httptest.NewRecorder(), c.build(t))
			if id != c.id || claims["sub"] != c.sub || (claims == nil) != (c.sub == nil) {
				t.Errorf("got %q and %v, want %q and %v", id, claims, c.id, c.sub)
			}
		}
	})
}

func TestAContextThatIsNoRequestsHasNoClaims(t *testing.T) {
	t.Parallel()
	if claims := router.Claims(t.Context()); claims != nil {
		t.Errorf("got %v", claims)
	}
}

// A visit whose reader's record has gone is refused like any other.
func TestAReaderThatVanishesIsRefusedLikeATenantThatNeverWas(t *testing.T) {
	t.Parallel()
	l := &lender{answer: func(context.Context, int) error { return registry.ErrInactive }}
	r := guarded(t, production("key"), l, nil)
	visit, err := r.Route(bearer(keyOf("reader-acme")).build(t))
	if err != nil {
		t.Fatal(err)
	}
	_, late := visit.Lease(t.Context())
	_, never := r.Route(bearer(keyOf("unknown")).build(t))
	if router.ProblemOf(late) != router.ProblemOf(never) {
		t.Errorf("%+v, and %+v", router.ProblemOf(late), router.ProblemOf(never))
	}
}
