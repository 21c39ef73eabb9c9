package router_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
)

// Nothing of the answer depends on what is asked for.
func TestALimitedAddressGetsTheSameAnswerToEverything(t *testing.T) {
	t.Parallel()
	for name, mount := range mounts() {
		synctest.Test(t, func(t *testing.T) {
			r := guarded(t, probed("key", "jwt", "host", "path", "header"), &lender{}, nil)
			_ = routeAll(t, r, request{path: "/t/nobody"}, burst)
			h := mount(r, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") }))
			want := answer(t, h, request{path: "/t/nobody"})
			if !strings.Contains(want, "429") || !strings.Contains(want, "probe_limit") || !strings.Contains(want, "Retry-After: 10\r\n") {
				t.Fatalf("%s: %s", name, want)
			}
			for _, q := range []request{
				{path: "/t/acme"},
				{path: "/t/hooli"},
				{path: "/t/faraway"},
				{path: "/t/a_b"},
				{host: "acme.example.com"},
				{host: "www.example.com"},
				{path: "/t/acme", header: header(tenantID, "globex")},
				{path: "/t/acme", header: bearer(keyOf("revoked")).header},
				{path: "/t/acme", header: bearer(keyOf("globex")).header},
				bearer(keyOf("away")),
				bearer(tokenOf("away")),
				{},
			} {
				if got := answer(t, h, q); got != want {
					t.Errorf("%s: %+v gets\n%s\nanother one\n%s", name, q, got, want)
				}
			}
		})
	}
}

func TestNothingIsLookedUpForALimitedAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lookups atomic.Int64
		r, err := router.New(probed("path"), router.Deps{Pools: &lender{}, Tenants: tenantsFunc(func(registry.ID) (*registry.Tenant, error) {
			lookups.Add(1)
			return nil, registry.ErrInactive
		})})
		if err != nil {
			t.Fatal(err)
		}
		_ = routeAll(t, r, request{path: "/t/hooli"}, 3*burst)
		if lookups.Load() != burst {
			t.Errorf("%d lookups, want %d", lookups.Load(), burst)
		}
	})
}

// Behind one address may be many: whoever has a good credential is none of
// those who try.
func TestAVerifiedCredentialPassesThoughItsAddressIsLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := guarded(t, probed("key", "jwt", "path"), &lender{}, nil)
		_ = routeAll(t, r, request{path: "/t/nobody"}, 2*burst)
		for _, q := range []request{bearer(keyOf("acme")), bearer(tokenOf("acme")), {path: "/t/acme", header: bearer(keyOf("acme")).header}} {
			if err := routeAll(t, r, q, 1); err != nil {
				t.Errorf("got %v", err)
			}
		}
		// A record that is gone is said to be so to who has its key, as without a limit.
		if err := routeAll(t, r, bearer(keyOf("hooli")), 1); !errors.Is(err, registry.ErrInactive) {
			t.Errorf("got %v", err)
		}
	})
}
