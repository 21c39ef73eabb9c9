package pools_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Each wait for the budget ends, and its error names the limit.

func TestTheClustersBudgetIsNamedWhenItWasTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, nil)
		_, give := w.hold(t, "t00")
		began := time.Now()
		err := w.run(t, "t01", "select 1")
		mustBe(t, err, pools.ErrBudget)
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("it waited %v", took)
		}
		if errors.Is(err, pools.ErrDatabase) || errors.Is(err, pools.ErrTenantTimeout) {
			t.Errorf("the budget is taken for something else: %v", err)
		}
		give()
		w.use(t, "t01")
		w.endWithin(t, 1)
	})
}

func TestTheTenantsOwnLimitIsNamedAlthoughTheBudgetIsUsedUpToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, func(c *pools.Config) { c.MaxConns = 1 })
		_, give := w.hold(t, "t00")
		mustBe(t, w.run(t, "t00", "select 1"), pools.ErrTenantTimeout)
		give()
		w.endWithin(t, 1)
	})
}

func TestTheClustersQueueIsBoundedAndSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, func(c *pools.Config) {
			onMain(c, func(main *registry.Cluster) { main.Queue = 2 })
		})
		_, give := w.hold(t, "t00")
		first := start(func() error { return w.run(t, "t01", "select 1") })
		second := start(func() error { return w.run(t, "t02", "select 1") })
		began := time.Now()
		err := w.run(t, "t03", "select 1")
		mustBe(t, err, pools.ErrClusterQueue)
		if errors.Is(err, pools.ErrDatabase) || time.Since(began) != 0 {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if n := w.stat().Waiting; n != 2 {
			t.Errorf("%d wait, want 2", n)
		}
		give()
		mustBe(t, <-first, nil)
		mustBe(t, <-second, nil)
		w.use(t, "t03")
		w.endWithin(t, 1)
	})
}

func TestACallerBeyondTheTenantsMaximumDoesNotFillTheClustersQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 2, func(c *pools.Config) {
			c.MaxConns, c.Queue = 1, 3
			onMain(c, func(main *registry.Cluster) { main.Queue = 1 })
		})
		_, give := w.hold(t, "t00")
		var queued []<-chan error
		for range 3 {
			queued = append(queued, start(func() error { return w.run(t, "t00", "select 1") }))
		}
		mustBe(t, w.run(t, "t00", "select 1"), pools.ErrTenantQueue)
		_, giveOther := w.hold(t, "t01") // the budget has room for others
		other := start(func() error { return w.run(t, "t02", "select 1") })
		mustBe(t, w.run(t, "t03", "select 1"), pools.ErrClusterQueue)
		giveOther()
		mustBe(t, <-other, nil)
		give()
		for _, q := range queued {
			mustBe(t, <-q, nil)
		}
		w.endWithin(t, 2)
	})
}

func TestWhoseConnectionIsBeingOpenedIsNotRefusedForTheQueuesTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, func(c *pools.Config) { c.QueueTimeout = time.Second })
		w.server.OnStart(func(*poolstest.Session) error { time.Sleep(3 * time.Second); return nil })
		w.use(t, "t00")
		w.endWithin(t, 1)
	})
}

func TestEveryBudgetRefusalCanBeToldFromTheOthers(t *testing.T) {
	t.Parallel()
	all := []error{
		pools.ErrBudget, pools.ErrClusterQueue, pools.ErrTenantQueue, pools.ErrTenantTimeout,
		pools.ErrDatabase, pools.ErrDrained, pools.ErrPoolLimit,
	}
	for i, one := range all {
		for j, other := range all {
			if (i == j) != errors.Is(one, other) {
				t.Errorf("%v and %v cannot be told apart", one, other)
			}
		}
	}
}

func TestAConnectionThatIsReleasedTwiceIsLentOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 2, nil)
		l := w.lease(t, "t00")
		first := take(t, l, 1)[0]
		first.Release()
		next := take(t, l, 1)[0] // the same session
		first.Release()
		other := take(t, l, 1)[0]
		if one := next.Conn().PgConn().PID(); one == other.Conn().PgConn().PID() {
			t.Errorf("session %d was lent to two", one)
		}
		next.Release()
		other.Release()
		l.Release()
		l.Release()
		w.endWithin(t, 2)
	})
}

func TestAStartUpThatIsCutOffCostsNoSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, nil)
		w.server.OnStart(func(s *poolstest.Session) error {
			s.Kill() // whereupon the driver sends a cancel request, although nothing runs
			return poolstest.Fail("57P03", "starting up")
		})
		mustBe(t, w.run(t, "t00", "select 1"), pools.ErrDatabase)
		synctest.Wait()
		if s := w.stat(); s.InUse != 0 {
			t.Errorf("%+v", s)
		}
		w.server.OnStart(nil)
		time.Sleep(time.Second)
		w.use(t, "t00", "t01")
		w.endWithin(t, 1)
	})
}

func TestAConnectionThatDiedBeforeItsFirstUseIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, nil)
		w.server.OnStart(func(*poolstest.Session) error { time.Sleep(time.Second); return nil })
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		l := w.lease(t, "t00")
		_, err := l.Acquire(ctx)
		mustBe(t, err, context.DeadlineExceeded)
		l.Release()
		time.Sleep(time.Second) // it is opened all the same
		w.server.Stop()
		w.server.Resume()
		time.Sleep(10 * time.Second)
		w.use(t, "t00")
		w.endWithin(t, 1)
	})
}

func TestASuspensionEndsIdleConnectionsAtOnceAndTheOthersWithTheirLeases(t *testing.T) {
	t.Parallel()
	for _, kind := range []registry.ChangeKind{registry.Suspended, registry.Removed} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 15, nil)
				l := w.lease(t, "t00")
				held := take(t, l, 3)
				held[1].Release()
				held[2].Release()
				w.Apply(registry.Change{ID: id("t00"), Kind: kind})
				synctest.Wait()
				if n := w.server.Open(); n != 1 {
					t.Errorf("%d connections while one is in use", n)
				}
				if _, err := held[0].Exec(t.Context(), "select 1"); err != nil {
					t.Errorf("what runs is cut: %v", err)
				}
				held[0].Release()
				if _, err := l.Exec(t.Context(), "select 1"); err != nil {
					t.Errorf("the lease goes on: %v", err)
				}
				l.Release()
				synctest.Wait()
				if n := w.server.Open(); n != 0 || len(w.Stats()) != 0 {
					t.Errorf("%d connections are left, %+v", n, w.Stats())
				}
				w.seen.mustBalance(t)
				w.end(t)
			})
		})
	}
}
