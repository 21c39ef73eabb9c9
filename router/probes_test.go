package router_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
)

// burst is how many refusals an address may have in these tests.
const burst = 5

func probed(resolvers ...string) router.Config {
	cfg := production(resolvers...)
	cfg.ProbeRate, cfg.ProbeBurst = 6, burst // one is forgotten in ten seconds
	return cfg
}

// routeAll sends the request n times and returns the last error.
func routeAll(t *testing.T, r *router.Router, q request, n int) error {
	t.Helper()
	var last error
	for range n {
		visit, err := r.Route(q.build(t))
		if err == nil {
			visit.Close()
		}
		last = err
	}
	return last
}

func TestAnAddressThatIsRefusedTooOftenCausesNoMoreLookups(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lookups atomic.Int64
		unknown := tenantsFunc(func(registry.ID) (*registry.Tenant, error) {
			lookups.Add(1)
			return nil, registry.ErrUnknown
		})
		cfg := production("path")
		r, err := router.New(cfg, router.Deps{Tenants: unknown, Pools: &lender{}})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(n int) (probing int) {
			for i := range n {
				req := request{}.build(t)
				req.URL.Path = fmt.Sprintf("/t/tenant-%d/sql", i)
				if _, err := r.Route(req); errors.Is(err, router.ErrProbing) {
					probing++
				}
			}
			return probing
		}
		if probing := ask(100_000); lookups.Load() != int64(cfg.ProbeBurst) || probing != 100_000-cfg.ProbeBurst {
			t.Errorf("%d lookups, want %d; %d refused without one", lookups.Load(), cfg.ProbeBurst, probing)
		}
		time.Sleep(time.Minute) // all but the rate's worth is forgotten, and no more than the burst
		lookups.Store(0)
		if ask(1000); lookups.Load() != int64(cfg.ProbeRate) {
			t.Errorf("%d lookups in the next minute, want %d", lookups.Load(), cfg.ProbeRate)
		}
		time.Sleep(24 * time.Hour)
		lookups.Store(0)
		if ask(1000); lookups.Load() != int64(cfg.ProbeBurst) {
			t.Errorf("%d lookups at once the next day, want %d", lookups.Load(), cfg.ProbeBurst)
		}
	})
}

func TestWhoWaitsAsLongAsItWasToldIsServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, probed("path"), &lender{}, nil)
		if err := routeAll(t, r, request{path: "/t/nobody"}, burst); errors.Is(err, router.ErrProbing) {
			t.Fatalf("limited after %d", burst)
		}
		for range 3 {
			err := routeAll(t, r, request{path: "/t/acme"}, 10)
			wait := router.ProblemOf(err).RetryAfter
			if !errors.Is(err, router.ErrProbing) || wait <= 0 || wait > 10*time.Second {
				t.Fatalf("got %v, to wait %v", err, wait)
			}
			time.Sleep(wait - time.Nanosecond)
			if err := routeAll(t, r, request{path: "/t/acme"}, 1); !errors.Is(err, router.ErrProbing) {
				t.Fatalf("got %v a moment too early", err)
			}
			time.Sleep(time.Nanosecond)
			if err := routeAll(t, r, request{path: "/t/acme"}, 1); err != nil {
				t.Fatalf("got %v in time", err)
			}
			if err := routeAll(t, r, request{path: "/t/nobody"}, 1); !errors.Is(err, registry.ErrUnknown) {
				t.Fatalf("got %v, want one more lookup", err)
			}
		}
	})
}

// If it were otherwise, the limit would tell which tenants exist.
func TestEveryRefusalCountsTheSame(t *testing.T) {
	t.Parallel()
	credential := func(text, path string) request { return request{path: path, header: bearer(text).header} }
	for name, q := range map[string]request{
		"unknown":                {path: "/t/nobody"},
		"suspended":              {path: "/t/hooli"},
		"malformed":              {path: "/t/a_b"},
		"a conflict":             {path: "/t/acme", header: header(tenantID, "globex")},
		"not vouched for":        {header: header(tenantID, "acme")},
		"a reserved host":        {host: "www.example.com"},
		"an unknown key":         credential(keyOf("unknown"), "/t/acme"),
		"a wrong secret":         credential("pk_acme_x", "/t/acme"),
		"an expired key":         credential(keyOf("expired"), "/t/nobody"),
		"a forged token":         credential(tokenOf("forged"), "/t/acme"),
		"no credential at all":   {header: header("Authorization", "Basic x")},
		"another tenant's key":   credential(keyOf("globex"), "/t/acme"),
		"another's key, unknown": credential(keyOf("globex"), "/t/nobody"),
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := probed("key", "jwt", "host", "path", "header")
			r := guarded(t, cfg, &lender{}, nil)
			if err := routeAll(t, r, q, burst); err == nil || errors.Is(err, router.ErrProbing) {
				t.Errorf("%s: got %v for number %d", name, err, burst)
			}
			if err := routeAll(t, r, q, 1); !errors.Is(err, router.ErrProbing) {
				t.Errorf("%s: got %v for number %d", name, err, burst+1)
			}
		})
	}
}

func TestWhatIsNoProbeDoesNotCount(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]request{
		"a good request":                  {path: "/t/acme"},
		"records that cannot be asked":    {path: "/t/faraway"},
		"keys that cannot be asked":       bearer(keyOf("away")),
		"tokens that cannot be verified":  bearer(tokenOf("away")),
		"a request that names nobody":     {},
		"a suspended tenant with its key": bearer(keyOf("hooli")),
	} {
		synctest.Test(t, func(t *testing.T) {
			r := guarded(t, probed("key", "jwt", "path"), &lender{}, nil)
			if err := routeAll(t, r, q, 10*burst); errors.Is(err, router.ErrProbing) {
				t.Errorf("%s counts", name)
			}
			if err := routeAll(t, r, request{path: "/t/acme"}, 1); err != nil {
				t.Errorf("after %s: %v", name, err)
			}
		})
	}
}

func TestOnlyTheAddressItselfIsLimited(t *testing.T) {
	t.Parallel()
	by := func(peer, forwardedFor string) request {
		return request{path: "/t/acme", remote: peer, header: header("X-Forwarded-For", forwardedFor)}
	}
	for _, c := range []struct {
		name          string
		bad           request
		same, another []request
	}{
		{
			"IPv4", by("203.0.113.9:1", ""),
			[]request{by("203.0.113.9:2", ""), by("[::ffff:203.0.113.9]:3", ""), by(fromProxy, "203.0.113.9")},
			[]request{by("203.0.113.8:1", ""), by(fromProxy, "203.0.113.8")},
		},
		{
			"IPv6", by("[2001:db8:0:1::1]:1", ""),
			[]request{by("[2001:db8:0:1:ffff::2]:1", "")},
			[]request{by("[2001:db8:0:2::1]:1", "")},
		},
		{
			"behind a proxy", by(fromProxy, "203.0.113.9"),
			[]request{by("10.9.9.9:1", "198.51.100.1, 203.0.113.9, 10.1.2.3")},
			[]request{by(fromProxy, "203.0.113.8"), by(fromProxy, ""), by(fromProxy, "203.0.113.9, 203.0.113.8")},
		},
		{
			"behind a proxy that hides it", by(fromProxy, "unknown"),
			[]request{by(fromProxy, "hidden")},
			[]request{by(fromProxy, "203.0.113.9")},
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRouter(t, probed("path"), &lender{}, nil)
			c.bad.path = "/t/nobody"
			_ = routeAll(t, r, c.bad, burst)
			for _, q := range c.same {
				if err := routeAll(t, r, q, 1); !errors.Is(err, router.ErrProbing) {
					t.Errorf("%s: %s %s got %v", c.name, q.remote, q.header, err)
				}
			}
			for _, q := range c.another {
				if err := routeAll(t, r, q, 1); err != nil {
					t.Errorf("%s: %s %s got %v", c.name, q.remote, q.header, err)
				}
			}
		})
	}
}

// A proxy stands for all its clients, and a socket's peer too: nobody could
// lock out the rest.
func TestWhoHasNoAddressOfItsOwnIsNotLimited(t *testing.T) {
	t.Parallel()
	r := newRouter(t, probed("path"), &lender{}, nil)
	for _, peer := range []string{fromProxy, "@"} {
		if err := routeAll(t, r, request{path: "/t/nobody", remote: peer}, 10*burst); !errors.Is(err, registry.ErrUnknown) {
			t.Errorf("%s: got %v", peer, err)
		}
	}
}

func TestTheLimitCanBeOff(t *testing.T) {
	t.Parallel()
	cfg := production("path")
	cfg.ProbeRate = 0
	r := newRouter(t, cfg, &lender{}, nil)
	if err := routeAll(t, r, request{path: "/t/nobody"}, 1000); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("got %v", err)
	}
}

func TestTheObserverIsToldOfProbing(t *testing.T) {
	t.Parallel()
	obs := &log{}
	r := newRouter(t, probed("path"), &lender{}, obs)
	_ = routeAll(t, r, request{path: "/t/nobody"}, burst+1)
	if by, err := obs.last(t); by != "path" || !errors.Is(err, router.ErrProbing) || errors.Is(err, router.ErrRefused) {
		t.Errorf("observed %v by %s", err, by)
	}
}
