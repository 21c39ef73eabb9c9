package pools_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestLimitsThatAnOperatorSetsAreInForceUntilTheRecordChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 10, nil)
		l := w.lease(t, "t00")
		held := take(t, l, 4)
		if err := w.SetLimits(id("t00"), registry.Limits{MaxConns: 2, Weight: 5, GuaranteedConns: 1}); err != nil {
			t.Error(err)
		}
		if s := w.Stats()[0]; s.Max != 2 || s.Weight != 5 || s.Guaranteed != 1 || s.Acquired != 4 {
			t.Errorf("%+v", s)
		}
		for _, c := range held {
			if _, err := c.Exec(t.Context(), "select 1"); err != nil {
				t.Errorf("a connection in use was cut: %v", err)
			}
			c.Release()
		}
		synctest.Wait()
		w.mustHave(t, map[string]int{"t00": 2})
		if got := w.Limits(id("t00")); got.MaxConns != 2 || got.Weight != 5 {
			t.Errorf("in force is %+v", got)
		}
		w.Apply(registry.Change{ID: id("t00"), Kind: registry.Changed})
		l.Release()
		l = w.lease(t, "t00")
		if got := w.Limits(id("t00")); got != (registry.Limits{}) {
			t.Errorf("the record changed, in force is %+v", got)
		}
		for _, c := range take(t, l, 4) {
			c.Release()
		}
		l.Release()
		w.endWithin(t, 10)
	})
}

func TestIdleConnectionsBeyondASmallerMaximumAreClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 10, nil)
		l := w.lease(t, "t00")
		for _, c := range take(t, l, 4) {
			c.Release()
		}
		l.Release()
		if err := w.SetLimits(id("t00"), registry.Limits{MaxConns: 1}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		w.mustHave(t, map[string]int{"t00": 1})
		if n := w.seen.count("closed shrunk"); n != 3 || w.server.Open() != 1 {
			t.Errorf("observed %v", w.seen.counts)
		}
		w.endWithin(t, 10)
	})
}

func TestAGreaterMaximumServesWhoWaitsForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 10, func(c *pools.Config) { c.MaxConns = 1 })
		_, give := w.hold(t, "t00")
		waiting := start(func() error { return w.run(t, "t00", "select 1") })
		if err := w.SetLimits(id("t00"), registry.Limits{MaxConns: 2}); err != nil {
			t.Error(err)
		}
		mustBe(t, <-waiting, nil)
		give()
		w.endWithin(t, 10)
	})
}

func TestAChangeOfLimitsAloneKeepsThePool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 10, nil)
		w.use(t, "t00")
		if err := w.SetLimits(id("t00"), registry.Limits{MaxConns: 9}); err != nil {
			t.Error(err)
		}
		w.edit("t00", func(t *registry.Tenant) { t.Limits.MaxConns, t.Limits.Weight = 7, 3 })
		w.Apply(registry.Change{ID: id("t00"), Kind: registry.LimitsChanged})
		synctest.Wait()
		if s := w.Stats()[0]; s.Max != 7 || s.Weight != 3 || s.Version != 2+1 || s.Idle != 1 {
			t.Errorf("%+v", s)
		}
		w.edit("t00", func(t *registry.Tenant) { t.Limits.IdleAfter = time.Hour }) // this one the pool has to follow
		w.Apply(registry.Change{ID: id("t00"), Kind: registry.LimitsChanged})
		synctest.Wait()
		if w.seen.count("pool replaced") != 1 {
			t.Errorf("observed %v", w.seen.counts)
		}
		w.endWithin(t, 10)
	})
}
