package pools_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// A tenant's own queue_timeout counts, and a change of it from the next who
// waits, without another pool.
func TestATenantsOwnQueueTimeoutIsFollowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxConns, c.QueueTimeout = 1, 5*time.Second })
		w.edit("t01", func(t *registry.Tenant) { t.Limits.QueueTimeout = time.Second })
		waits := func(name string, want time.Duration) {
			t.Helper()
			l := w.lease(t, name)
			defer l.Release()
			began := time.Now()
			_, err := l.Acquire(t.Context())
			mustBe(t, err, pools.ErrTenantTimeout)
			if took := time.Since(began); took != want {
				t.Errorf("%s waited %v, want %v", name, took, want)
			}
		}
		_, give0 := w.hold(t, "t00")
		_, give1 := w.hold(t, "t01")
		waits("t00", 5*time.Second)
		waits("t01", time.Second)
		for _, step := range []struct{ next, want time.Duration }{{2 * time.Second, 2 * time.Second}, {0, 5 * time.Second}} {
			w.edit("t01", func(t *registry.Tenant) { t.Limits.QueueTimeout = step.next })
			w.Apply(registry.Change{ID: id("t01"), Kind: registry.LimitsChanged})
			synctest.Wait()
			waits("t01", step.want)
		}
		if n := w.live(); n != 2 {
			t.Errorf("%d pools", n)
		}
		if n := w.seen.count("pool replaced"); n != 0 {
			t.Errorf("%d pools were replaced", n)
		}
		give0()
		give1()
		w.endWithin(t, 200)
	})
}

// None of these has anything to do with the pool.
func TestALimitOfRequestsReplacesNoPool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		w.use(t, "t00")
		w.edit("t00", func(t *registry.Tenant) {
			t.Limits = registry.Limits{Rate: 0.5, Burst: 2, InFlight: 3, MaxBody: 4096, MaxResult: 4096, CacheFor: time.Second}
		})
		w.Apply(registry.Change{ID: id("t00"), Kind: registry.LimitsChanged})
		synctest.Wait()
		l := w.lease(t, "t00")
		if got := l.Tenant().Limits; got.Rate != 0.5 || got.CacheFor != time.Second || w.seen.count("pool replaced") != 0 {
			t.Errorf("limits %+v, %v", got, w.seen.counts)
		}
		l.Release()
		w.endWithin(t, 200)
	})
}
