package pools_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestTheColdestConnectionIsTakenFirst(t *testing.T) {
	t.Parallel()
	for _, handoff := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newTightWorld(t, 3, func(c *pools.Config) { c.Handoff = handoff })
			for _, name := range []string{"t02", "t00", "t01", "t02"} {
				time.Sleep(time.Second)
				w.use(t, name)
			}
			w.use(t, "t03") // t00 has rested longest
			w.mustHave(t, map[string]int{"t00": 0, "t01": 1, "t02": 1, "t03": 1})
			w.use(t, "t04")
			w.mustHave(t, map[string]int{"t01": 0, "t02": 1, "t03": 1, "t04": 1})
			w.endWithin(t, 3)
		})
	}
}

func TestWhatIsGuaranteedIsNeverTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 3, nil)
		w.edit("t00", func(t *registry.Tenant) { t.Limits.GuaranteedConns = 2 })
		l := w.lease(t, "t00")
		for _, c := range take(t, l, 3) {
			c.Release()
		}
		l.Release()
		time.Sleep(time.Minute)
		w.use(t, "t01", "t02", "t03")
		w.mustHave(t, map[string]int{"t00": 2, "t03": 1})
		c, give := w.hold(t, "t03") // all of the rest is in use
		began := time.Now()
		mustBe(t, w.run(t, "t04", "select 1"), pools.ErrBudget)
		if took := time.Since(began); took != 5*time.Second || c == nil {
			t.Errorf("refused after %v", took)
		}
		give()
		w.mustHave(t, map[string]int{"t00": 2})
		w.endWithin(t, 3)
	})
}

func TestAConnectionUsedAMomentAgoIsSparedForThatMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, func(c *pools.Config) { c.StealAfter = 10 * time.Millisecond })
		w.use(t, "t00")
		began := time.Now()
		w.use(t, "t01")
		if took := time.Since(began); took < 10*time.Millisecond || took > 11*time.Millisecond {
			t.Errorf("it was taken after %v", took)
		}
		w.endWithin(t, 1)
	})
}

func TestWhoHoldsManyMayNotTakeTheWarmConnectionOfOneWhoHoldsFew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 3, nil)
		greedy := w.lease(t, "t00")
		held := take(t, greedy, 2)
		w.use(t, "t01")
		began := time.Now()
		more := take(t, greedy, 1)
		if took := time.Since(began); took < time.Second || took > 1100*time.Millisecond {
			t.Errorf("it was taken after %v, a connection may rest for a second", took)
		}
		for _, c := range append(held, more...) {
			c.Release()
		}
		greedy.Release()
		w.endWithin(t, 3)
	})
}

// queue has callers wait, one each of the given tenants, in that order; it
// returns the order in which they were served.
func (w *world) queue(t *testing.T, tenants ...string) (served <-chan string) {
	t.Helper()
	order := make(chan string, len(tenants))
	for _, name := range tenants {
		l := w.lease(t, name)
		start(func() error {
			defer l.Release()
			c, err := l.Acquire(t.Context())
			if err != nil {
				order <- name + " failed: " + err.Error()
				return err
			}
			order <- name
			time.Sleep(time.Millisecond)
			c.Release()
			return nil
		})
	}
	return order
}

func TestWhoHoldsFewestGoesFirstThenWhoHasWaitedLongest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 2, nil)
		one, giveOne := w.hold(t, "t00")
		_, giveTwo := w.hold(t, "t00")
		order := w.queue(t, "t00", "t00", "t01", "t02")
		if one.Release(); w.stat().Waiting == 0 {
			t.Error("nobody waits")
		}
		for _, want := range []string{"t01", "t02", "t00", "t00"} {
			if got := <-order; got != want {
				t.Errorf("%s was served, want %s", got, want)
			}
		}
		giveOne()
		giveTwo()
		w.endWithin(t, 2)
	})
}

func TestAWeightIsAShareOfTheBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 8, func(c *pools.Config) { c.MaxConns = 8 })
		w.edit("t01", func(t *registry.Tenant) { t.Limits.Weight = 3 })
		w.server.Script("work", func(*poolstest.Session) error { time.Sleep(10 * time.Millisecond); return nil })
		ctx, cancel := context.WithCancel(t.Context())
		var workers sync.WaitGroup
		for _, name := range []string{"t00", "t01"} {
			for range 16 {
				workers.Go(func() {
					for ctx.Err() == nil {
						if err := w.run(t, name, "work"); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		w.mustHave(t, map[string]int{"t00": 2, "t01": 6})
		cancel()
		workers.Wait()
		w.endWithin(t, 8)
	})
}
