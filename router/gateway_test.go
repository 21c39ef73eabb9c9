package router_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/poolkeeper/poolkeeper/router"
)

// Behind a gateway that is not among the proxies all clients have its address:
// one that tries names must not shut out the rest.
func TestNobodyIsLimitedByAnAddressThatMayBeAGateways(t *testing.T) {
	t.Parallel()
	served := []request{{path: "/t/acme"}, {host: "acme.example.com"}, {path: "/t/acme", header: bearer(keyOf("acme")).header}}
	for name, bad := range map[string]request{
		"unknown":         {path: "/t/nobody"},
		"suspended":       {host: "hooli.example.com"},
		"malformed":       {path: "/t/a_b"},
		"a conflict":      {path: "/t/acme", host: "globex.example.com"},
		"a bad key":       {path: "/t/acme", header: bearer(keyOf("revoked")).header},
		"not vouched for": {header: header(tenantID, "acme")},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := probed("key", "jwt", "host", "path", "header")
			cfg.Proxies = nil
			r := guarded(t, cfg, &lender{}, nil)
			if err := routeAll(t, r, bad, 3*burst); err == nil {
				t.Fatalf("%s is served", name)
			}
			for _, q := range served {
				if err := routeAll(t, r, q, 1); err != nil {
					t.Errorf("after %s: %+v got %v", name, q, err)
				}
			}
		})
	}
}

// What no open resolver vouches for counts all the same.
func TestWithoutProxiesARefusalForWantOfACredentialCounts(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]request{
		"a bad key":       {path: "/t/acme", header: bearer(keyOf("revoked")).header},
		"not vouched for": {header: header(tenantID, "acme")},
		"malformed":       {path: "/t/a_b"},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := probed("key", "jwt", "path", "header")
			cfg.Proxies = nil
			r := guarded(t, cfg, &lender{}, nil)
			if err := routeAll(t, r, q, burst+1); !errors.Is(err, router.ErrProbing) {
				t.Errorf("%s: got %v", name, err)
			}
			closed := cfg
			closed.Open = nil
			r = guarded(t, closed, &lender{}, nil)
			_ = routeAll(t, r, q, burst)
			if err := routeAll(t, r, request{path: "/t/acme"}, 1); !errors.Is(err, router.ErrProbing) {
				t.Errorf("%s: a resolver that is not open got %v", name, err)
			}
		})
	}
}
