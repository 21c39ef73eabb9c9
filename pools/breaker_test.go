package pools_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

// A dead database costs its own tenants a quick refusal, and nobody else
// anything.

// databases gives tenants a database each.
func (w *world) databases(tenants ...string) {
	for _, name := range tenants {
		w.edit(name, func(t *registry.Tenant) { t.Isolation, t.Database = registry.IsolationDatabase, "d"+name })
	}
}

// kill has the databases of the given tenants refuse whoever connects, and
// returns how often each was tried.
func (w *world) kill(tenants ...string) (tries func() int) {
	dead := map[string]bool{}
	for _, name := range tenants {
		dead["d"+name] = true
	}
	n := make(chan int, 1)
	n <- 0
	w.server.OnStart(func(s *poolstest.Session) error {
		if !dead[s.Database] {
			return nil
		}
		n <- 1 + <-n
		return poolstest.Fail("3D000", "database is gone")
	})
	return func() int {
		now := <-n
		n <- now
		return now
	}
}

func TestHalfOpenLetsOneTryThroughWhileOthersAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 10, nil)
		w.server.Stop()
		mustBe(t, w.run(t, "t00", "select 1"), pools.ErrDatabase)
		w.server.Resume()
		w.server.OnStart(func(*poolstest.Session) error { time.Sleep(time.Second); return nil })
		time.Sleep(10 * time.Second)
		dials := w.server.Dials()
		probe := start(func() error { return w.run(t, "t00", "select 1") })
		for _, name := range names(9)[1:] { // the same database and login
			began := time.Now()
			err := w.run(t, name, "select 1")
			mustBe(t, err, pools.ErrDatabase)
			if took := time.Since(began); took != 0 {
				t.Errorf("%s was refused after %v", name, took)
			}
		}
		if n := w.server.Dials() - dials; n != 1 {
			t.Errorf("%d tries at once", n)
		}
		mustBe(t, <-probe, nil)
		if n := w.stat().BreakersOpen; n != 0 {
			t.Errorf("%d breakers are open", n)
		}
		w.use(t, names(9)...)
		w.endWithin(t, 10)
	})
}

func TestATryThatFailsDoublesTheWaitAndIsMadeByNobodyUnasked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 10, nil)
		w.databases("t00")
		tries := w.kill("t00")
		began := time.Now()
		for tries() < 5 {
			mustBe(t, w.run(t, "t00", "select 1"), pools.ErrDatabase)
			time.Sleep(time.Millisecond)
		}
		// 100+200+400+800 ms, up to a quarter less
		if took := time.Since(began); took < 1125*time.Millisecond || took > 1550*time.Millisecond {
			t.Errorf("five tries in %v", took)
		}
		time.Sleep(time.Hour)
		if n := tries(); n != 5 {
			t.Errorf("%d tries that nobody asked for", n-5)
		}
		w.endWithin(t, 10)
	})
}

func TestADeadDatabaseCostsTheOthersOfItsClusterNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 2, func(c *pools.Config) { c.BackoffMax = c.BackoffMin })
		w.databases("t00", "t01", "t02")
		tries := w.kill("t00", "t01", "t02")
		w.use(t, "t10", "t11")
		for range 20 {
			for _, name := range []string{"t00", "t01", "t02"} {
				began := time.Now()
				mustBe(t, w.run(t, name, "select 1"), pools.ErrDatabase)
				if took := time.Since(began); took > 100*time.Millisecond {
					t.Errorf("%s was refused after %v", name, took)
				}
			}
			began := time.Now()
			w.use(t, "t10", "t11")
			if took := time.Since(began); took > 100*time.Millisecond {
				t.Errorf("the living took %v", took)
			}
		}
		if n := w.stat().BreakersOpen; n != 3 {
			t.Errorf("%d breakers are open, want 3", n)
		}
		if n := tries(); n > 10 {
			t.Errorf("the dead were tried %d times", n)
		}
		w.endWithin(t, 2)
	})
}

func TestABreakerOutlivesItsPoolAndCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 2, nil)
		w.databases("t00")
		tries := w.kill("t00")
		mustBe(t, w.run(t, "t00", "select 1"), pools.ErrDatabase)
		w.Evict(id("t00"))
		err := w.run(t, "t00", "select 1")
		var down *pools.DatabaseError
		if !errors.As(err, &down) || down.RetryAfter <= 0 || tries() != 1 || w.stat().BreakersOpen != 1 {
			t.Errorf("after %d tries: %v, %+v", tries(), err, w.stat())
		}
		w.server.OnStart(nil)
		time.Sleep(time.Second)
		w.use(t, "t00")
		if n := w.stat().BreakersOpen; n != 0 {
			t.Errorf("%d breakers are open", n)
		}
		w.endWithin(t, 2)
	})
}

func TestATryWhosePoolIsEvictedDoesNotBlockTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 4, func(c *pools.Config) { c.DrainTimeout = time.Second })
		w.server.Stop()
		mustBe(t, w.run(t, "t00", "select 1"), pools.ErrDatabase)
		w.server.Resume()
		time.Sleep(10 * time.Second)
		w.server.OnStart(func(*poolstest.Session) error { time.Sleep(3 * time.Second); return nil })
		ctx, cancel := context.WithCancel(t.Context())
		l := w.lease(t, "t00")
		probe := start(func() error { _, err := l.Acquire(ctx); return err })
		cancel()
		mustBe(t, <-probe, context.Canceled)
		l.Release()
		w.Evict(id("t00"))
		time.Sleep(5 * time.Second)
		w.server.OnStart(nil)
		w.use(t, "t01")
		w.endWithin(t, 4)
	})
}

func TestAServerWithoutAConnectionLeftIsNotDialledForAMomentAndIsNotDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 4, nil)
		w.use(t, "t00")
		w.server.OnStart(func(*poolstest.Session) error { return poolstest.Fail("53300", "too many clients") })
		l := w.lease(t, "t00")
		one := take(t, l, 1)[0]
		dials := w.server.Dials()
		for range 10 {
			err := w.run(t, "t01", "select 1")
			if pg := new(pgconn.PgError); !errors.As(err, &pg) || pg.Code != "53300" {
				t.Errorf("error is %v", err)
			}
		}
		if n := w.server.Dials() - dials; n != 1 {
			t.Errorf("the server was asked %d times", n)
		}
		if n := w.stat().BreakersOpen; n != 0 {
			t.Errorf("%d breakers are open, the server is only full", n)
		}
		one.Release()
		l.Release()
		time.Sleep(200 * time.Millisecond)
		w.server.OnStart(nil)
		w.use(t, "t01")
		w.endWithin(t, 4)
	})
}

func TestAServerWithoutAConnectionLeftDoesNotStopHandoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 2, nil)
		w.databases("t05")
		w.use(t, "t00")
		_, give := w.hold(t, "t09")
		w.server.OnStart(func(*poolstest.Session) error { return poolstest.Fail("53300", "too many clients") })
		if err := w.run(t, "t05", "select 1"); err == nil { // has t00's connection closed, and fails
			t.Error("the server is full")
		}
		synctest.Wait()
		if err := w.SetCluster("main", registry.Cluster{Budget: 1}); err != nil { // what the server has
			t.Error(err)
		}
		give()
		dials := w.server.Dials()
		w.use(t, "t08", "t07", "t09")
		if n := w.seen.count("acquire handoff"); n != 3 || w.server.Dials() != dials {
			t.Errorf("observed %v", w.seen.counts)
		}
		w.endWithin(t, 2)
	})
}
