package pools_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
)

// The hard cap on live pools.

func TestTheCapEvictsTheLeastRecentlyUsedPoolWithoutLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxPools = 3 })
		defer w.end(t)
		oldest := w.lease(t, "t00") // leased all along, so never a victim
		defer oldest.Release()
		for _, name := range []string{"t01", "t02"} {
			time.Sleep(time.Second)
			w.lease(t, name).Release()
		}
		time.Sleep(time.Second)
		w.lease(t, "t01").Release() // t02 is now the least recently used
		time.Sleep(time.Second)
		w.lease(t, "t03").Release()
		ready := map[string]bool{}
		for _, s := range w.Stats() {
			if s.State == pools.StateReady {
				ready[s.Tenant.String()] = true
			}
		}
		if len(ready) != 3 || !ready["t00"] || !ready["t01"] || !ready["t03"] {
			t.Errorf("live pools are %v, want t00, t01 and t03", ready)
		}
	})
}

func TestANewcomerWaitsWhileEveryPoolIsLeasedThenIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxPools = 2 })
		defer w.end(t)
		first, second := w.lease(t, "t00"), w.lease(t, "t01")
		defer second.Release()
		began := time.Now()
		_, err := w.Lease(t.Context(), id("t02"))
		mustBe(t, err, pools.ErrPoolLimit)
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("refused after %v", took)
		}
		served := make(chan error, 1)
		go func() {
			l, err := w.Lease(t.Context(), id("t03"))
			if err == nil {
				l.Release()
			}
			served <- err
		}()
		time.Sleep(time.Second)
		first.Release()
		if err := <-served; err != nil {
			t.Errorf("room fell free, but: %v", err)
		}
		if w.live() > 2 {
			t.Errorf("%d pools are live", w.live())
		}
	})
}

func TestTheCapIsNeverExceededAndNobodyIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxPools, c.PoolWait, c.OpenTimeout = 5, time.Hour, time.Hour })
		defer w.end(t)
		w.server.Script("slow", func(*poolstest.Session) error {
			time.Sleep(time.Second)
			return nil
		})
		errs := make(chan error, 100)
		for _, name := range names(100) {
			go func() { errs <- w.run(t, name, "slow") }()
		}
		for range 100 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
			if n := w.live(); n > 5 {
				t.Errorf("%d pools are live, the cap is 5", n)
			}
		}
	})
}

// Invariant 7: every wait ends, each with an error of its own.

func TestATenantsQueueIsBoundedInLengthAndTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxConns, c.Queue = 2, 3 })
		defer w.end(t)
		l := w.lease(t, "t01")
		defer l.Release()
		held := take(t, l, 2)
		queued := make(chan error, 3)
		for range 3 {
			go func() {
				c, err := l.Acquire(t.Context())
				if err == nil {
					c.Release()
				}
				queued <- err
			}()
		}
		synctest.Wait()
		if n := w.Stats()[0].Waiting; n != 3 {
			t.Errorf("%d wait, want 3", n)
		}
		_, err := l.Acquire(t.Context())
		mustBe(t, err, pools.ErrTenantQueue)
		if err := w.run(t, "t02", "SELECT 1"); err != nil {
			t.Errorf("a tenant at its limit blocks another: %v", err)
		}
		held[0].Release()
		for range 3 {
			if err := <-queued; err != nil {
				t.Errorf("a place fell free, but: %v", err)
			}
		}
		c, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = l.Acquire(t.Context())
		mustBe(t, err, pools.ErrTenantTimeout)
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("it waited %v", took)
		}
		c.Release()
		held[1].Release()
	})
}

func TestCallersOfOneTenantAreServedInTheirOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxConns = 1 })
		defer w.end(t)
		l := w.lease(t, "t01")
		defer l.Release()
		c, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		order := make(chan int, 10)
		for i := range 10 {
			go func() {
				c, err := l.Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				order <- i
				c.Release()
			}()
			synctest.Wait()
		}
		c.Release()
		for want := range 10 {
			if got := <-order; got != want {
				t.Fatalf("caller %d was served in place %d", got, want)
			}
		}
	})
}

func TestACallerThatLeavesTheQueueCostsNobodyAPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxConns = 1 })
		defer w.end(t)
		l := w.lease(t, "t01")
		defer l.Release()
		for i := range 20 {
			c, err := l.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			left := make(chan error, 1)
			go func() {
				late, err := l.Acquire(ctx)
				if err == nil {
					late.Release()
				}
				left <- err
			}()
			synctest.Wait()
			go cancel()
			if i%2 == 0 {
				synctest.Wait() // else the place is handed over in the same moment
			}
			go c.Release()
			if err := <-left; err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			synctest.Wait()
			cancel()
		}
		if s := w.Stats()[0]; s.Waiting != 0 || s.Acquired != 0 {
			t.Errorf("places are lost: %+v", s)
		}
	})
}

// An outage is never reported as exhaustion, nor the reverse.

func TestEveryRefusalSaysWhichLimitItWas(t *testing.T) {
	t.Parallel()
	all := []error{
		pools.ErrClosed, pools.ErrPoolLimit, pools.ErrTenantQueue, pools.ErrTenantTimeout,
		pools.ErrDatabase, pools.ErrDrained, pools.ErrReleased, pools.ErrNotWalled, pools.ErrRecord,
	}
	for i, one := range all {
		for j, other := range all {
			if (i == j) != errors.Is(one, other) {
				t.Errorf("%v and %v cannot be told apart", one, other)
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		l := w.lease(t, "t01")
		l.Release()
		l.Release() // twice is once
		_, err := l.Acquire(t.Context())
		mustBe(t, err, pools.ErrReleased)
		stray := tenant("t02")
		stray.Cluster = "nowhere"
		w.records.put(stray)
		mustBe(t, w.run(t, "t02", "SELECT 1"), pools.ErrRecord)
	})
}
