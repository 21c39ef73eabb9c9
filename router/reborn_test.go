package router_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/token"
)

func TestATokenIsNotGoodForALaterTenantOfTheSameID(t *testing.T) {
	t.Parallel()
	id, made := registry.MustParseID("acme"), time.Date(2026, 5, 4, 12, 0, 0, 500e6, time.UTC)
	second := made.Truncate(time.Second)
	for _, c := range []struct {
		name          string
		since, issued time.Time
		refused       bool
	}{
		{"an id that was nobody's before", time.Time{}, second.Add(-time.Hour), false},
		{"an id that was nobody's before, and a token without a time", time.Time{}, time.Time{}, false},
		{"before", made, second.Add(-time.Hour), true},
		{"in the same second, but nobody knows on which side", made, second, true},
		{"in the next second", made, second.Add(time.Second), false},
		{"without a time", made, time.Time{}, true},
	} {
		r, err := router.New(production("key", "jwt"), router.Deps{
			Tenants: tenantsFunc(func(registry.ID) (*registry.Tenant, error) {
				return &registry.Tenant{ID: id, Status: registry.StatusActive, Since: c.since}, nil
			}),
			Pools:  &lender{},
			Keys:   keysFunc(func() (apikey.Key, error) { return apikey.Key{Tenant: id, Scope: apikey.ScopeWrite}, nil }),
			Tokens: tokensFunc(func() (*token.Token, error) { return &token.Token{Tenant: id, Issued: c.issued}, nil }),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, shown := range []request{bearer("x"), both("pk_x", "x")} {
			_, err := r.Route(shown.build(t))
			if c.refused != errors.Is(err, token.ErrEarlier) || !c.refused && err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if p := router.ProblemOf(err); c.refused && (p.Status != http.StatusUnauthorized || p != router.ProblemOf(router.ErrRefused)) {
				t.Errorf("%s: %+v", c.name, p)
			}
		}
		if _, err := r.Route(bearer("pk_x").build(t)); err != nil {
			t.Errorf("%s: an API key, which ends with its tenant: %v", c.name, err)
		}
	}
}

// Between the two a client sends its body, as slowly as it likes.
func TestAVisitDoesNotReachATenantThatHasTheIDByNow(t *testing.T) {
	t.Parallel()
	id := registry.MustParseID("acme")
	for _, c := range []struct {
		routed, leased uint64
		refused        bool
	}{{7, 7, false}, {7, 8, true}, {8, 7, true}, {0, 8, false}, {7, 0, false}} {
		l := &lender{}
		r, err := router.New(production("path"), router.Deps{Pools: l, Tenants: tenantsFunc(func(registry.ID) (*registry.Tenant, error) {
			return &registry.Tenant{ID: id, Status: registry.StatusActive, Born: c.routed}, nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		r.OnRelease(l.release)
		r.OnServed(func(*pools.Lease) *registry.Tenant { return &registry.Tenant{ID: id, Born: c.leased} })
		visit, err := r.Route(request{path: "/t/acme"}.build(t))
		if err != nil {
			t.Fatal(err)
		}
		lease, err := visit.Lease(t.Context())
		if c.refused != errors.Is(err, registry.ErrUnknown) || c.refused != (lease == nil) {
			t.Errorf("%d, then %d: %v", c.routed, c.leased, err)
		}
		if p := router.ProblemOf(err); c.refused && p.Status != http.StatusNotFound {
			t.Errorf("%d, then %d: %+v", c.routed, c.leased, p)
		}
		visit.Close()
		l.expect(t, 1, 1)
	}
}
