package router_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
)

// The registry that a flood meets is the real one, with its memory of those
// who do not exist.
func TestAFloodOfUnknownTenantsFromEverywhereTakesBoundedMemory(t *testing.T) {
	source, err := registry.NewStatic(nil)
	if err != nil {
		t.Fatal(err)
	}
	records, err := registry.New(registry.Defaults(), source, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := router.New(production("path"), router.Deps{Tenants: records, Pools: &lender{}})
	if err != nil {
		t.Fatal(err)
	}
	req := request{}.build(t)
	flood := func(from, to int) {
		for i := from; i < to; i++ {
			req.URL.Path = fmt.Sprintf("/t/tenant-%d/sql", i)
			req.RemoteAddr = fmt.Sprintf("[2001:db8:%x:%x::1]:4711", i>>16, i&0xffff)
			if _, err := r.Route(req); !errors.Is(err, registry.ErrUnknown) {
				t.Fatalf("got %v", err)
			}
		}
	}
	before := heap()
	flood(0, 100_000)
	once := heap() - before
	flood(100_000, 300_000)
	thrice := heap() - before
	t.Logf("100,000 unknown tenants from as many networks: %.1f MB; 300,000: %.1f MB", float64(once)/1e6, float64(thrice)/1e6)
	if once >= 10e6 || thrice >= 10e6 {
		t.Errorf("the flood takes %d and %d bytes", once, thrice)
	}
	runtime.KeepAlive(r)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Who is limited and goes on asking is not forgotten for those who come once.
func TestAFloodDoesNotMakeALimitedAddressForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, probed("path"), &lender{}, nil)
		_ = routeAll(t, r, request{path: "/t/nobody"}, burst)
		req := request{path: "/t/nobody"}.build(t)
		for i := range 2 * router.MaxSites {
			req.RemoteAddr = fmt.Sprintf("[2001:db8:%x:%x::1]:4711", i>>16, i&0xffff)
			if _, err := r.Route(req); !errors.Is(err, registry.ErrUnknown) {
				t.Fatal(err)
			}
			if i%1000 == 0 {
				if err := routeAll(t, r, request{path: "/t/acme"}, 1); !errors.Is(err, router.ErrProbing) {
					t.Fatalf("got %v after %d others", err, i)
				}
			}
		}
	})
}

func TestTheLimitIsSafeForManyAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lookups atomic.Int64
		r, err := router.New(probed("path"), router.Deps{Pools: &lender{}, Tenants: tenantsFunc(func(registry.ID) (*registry.Tenant, error) {
			lookups.Add(1)
			return nil, registry.ErrUnknown
		})})
		if err != nil {
			t.Fatal(err)
		}
		const at = 8 // as many at once
		done := make(chan struct{})
		for range at {
			go func() {
				defer func() { done <- struct{}{} }()
				req := request{path: "/t/nobody"}.build(t).WithContext(context.WithoutCancel(t.Context()))
				for range 1000 {
					_, _ = r.Route(req)
				}
			}()
		}
		for range at {
			<-done
		}
		if n := lookups.Load(); n < burst || n > burst+at-1 {
			t.Errorf("%d lookups, want %d, and at most one more of each that asks at the same time", n, burst)
		}
	})
}
