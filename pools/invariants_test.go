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

// Invariant 1: no wrong tenant, ever.

func TestAConnectionThatDoesNotShowItsPinIsNeverLent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) {})
		defer w.end(t)
		shared := tenant("t01")
		shared.Login, shared.SharedLogin = "", true
		w.records.put(shared)
		w.server.LosePins(true)
		l := w.lease(t, "t01")
		defer l.Release()
		_, err := l.Exec(t.Context(), "select 2")
		mustBe(t, err, pools.ErrDatabase)
		mustBe(t, err, pools.ErrPin)
		if w.server.Count("select 2") != 0 {
			t.Error("the statement reached a session that is not the tenant's")
		}
	})
}

func TestALookupFailureIsAnErrorNeverADefault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		suspended := tenant("t02")
		suspended.Status = registry.StatusSuspended
		w.records.put(suspended)
		mustBe(t, w.run(t, "nobody", "SELECT 1"), registry.ErrUnknown)
		mustBe(t, w.run(t, "t02", "SELECT 1"), registry.ErrInactive)
		w.records.err = registry.ErrUnavailable
		mustBe(t, w.run(t, "t01", "SELECT 1"), registry.ErrUnavailable)
		if w.server.Dials() != 0 {
			t.Error("a connection was opened for a tenant that is not there")
		}
	})
}

func TestASearchPathThatWasChangedIsNeverLentAgain(t *testing.T) {
	t.Parallel()
	for _, version := range []int{15, 18} {
		for _, trust := range []pools.SQL{pools.Untrusted, pools.Trusted} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, version, func(c *pools.Config) { c.SQL, c.MaxConns = trust, 1 })
				defer w.end(t)
				var seen string
				w.server.Script("look", func(s *poolstest.Session) error {
					seen = s.Settings["search_path"]
					return nil
				})
				for _, sql := range []string{"SET search_path TO public", "SET search_path TO t02", "DISCARD ALL"} {
					if err := w.run(t, "t01", sql); err != nil {
						t.Fatal(err)
					}
					if err := w.run(t, "t01", "look"); err != nil {
						t.Fatal(err)
					}
					if seen != `"t01"` {
						t.Errorf("%d %s: after %q the next borrower has search_path %s", version, trust, sql, seen)
					}
				}
			})
		}
	}
}

// Invariant 2: one creation, see also TestFiveHundredFirstRequestsOpenOnePool.

func TestACreationHasATimeLimitOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		w.records.hold = make(chan struct{})
		began := time.Now()
		_, err := w.Lease(t.Context(), id("t01"))
		mustBe(t, err, context.DeadlineExceeded)
		if took := time.Since(began); took != pools.Defaults().OpenTimeout {
			t.Errorf("it took %v", took)
		}
		w.records.hold = nil
		if err := w.run(t, "t01", "SELECT 1"); err != nil {
			t.Errorf("a failed creation poisoned the tenant: %v", err)
		}
	})
}

// Invariant 5: no lock is held across I/O.

func TestASlowDatabaseOrRegistryDelaysOnlyItsOwnTenant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		release := make(chan struct{})
		w.server.OnStart(func(s *poolstest.Session) error {
			if s.User == "t01" {
				<-release
			}
			return nil
		})
		slow := make(chan error, 1)
		go func() { slow <- w.run(t, "t01", "SELECT 1") }()
		synctest.Wait()
		for _, name := range names(20)[2:] {
			if err := w.run(t, name, "SELECT 1"); err != nil {
				t.Error(err)
			}
			w.Evict(id(name))
		}
		w.Stats()
		close(release)
		if err := <-slow; err != nil {
			t.Error(err)
		}
	})
}

// Invariant 8: failure memory outlives the pool.

func TestADeadDatabaseIsNotDialedAgainJustBecauseItsPoolIsNew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		w.server.Stop()
		mustBe(t, w.run(t, "t01", "SELECT 1"), pools.ErrDatabase)
		dials := w.server.Dials()
		w.Evict(id("t01"))
		err := w.run(t, "t01", "SELECT 1")
		var down *pools.DatabaseError
		if !errors.As(err, &down) || down.RetryAfter <= 0 || down.RetryAfter > 100*time.Millisecond {
			t.Errorf("error is %v", err)
		}
		if w.server.Dials() != dials {
			t.Error("the back-off was forgotten with the pool")
		}
		if err := w.run(t, "t02", "SELECT 1"); errors.Is(err, pools.ErrDatabase) && w.server.Dials() == dials {
			t.Error("another tenant's database was not even tried")
		}
		w.server.Resume()
		time.Sleep(6 * time.Second)
		if err := w.run(t, "t01", "SELECT 1"); err != nil {
			t.Errorf("after the back-off: %v", err)
		}
	})
}

// Invariant 9: versions.

func TestAChangedRecordGetsANewPoolWhileTheOldOneFinishes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		old := w.lease(t, "t01")
		second := tenant("t01")
		second.Version, second.Schema = 2, "elsewhere"
		w.records.put(second)
		w.Apply(registry.Change{ID: id("t01"), Kind: registry.Changed})
		fresh := w.lease(t, "t01")
		if fresh.Tenant().Version != 2 || old.Tenant().Version != 1 {
			t.Errorf("versions are %d and %d", fresh.Tenant().Version, old.Tenant().Version)
		}
		for _, l := range []*pools.Lease{old, fresh} {
			if _, err := l.Exec(t.Context(), "select 1"); err != nil {
				t.Error(err)
			}
			l.Release()
		}
	})
}

func TestAChangeDuringACreationWins(t *testing.T) {
	t.Parallel()
	for _, kind := range []registry.ChangeKind{registry.Changed, registry.Suspended} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 15, nil)
			defer w.end(t)
			w.records.hold = make(chan struct{})
			got := make(chan error, 1)
			var version uint64
			go func() {
				l, err := w.Lease(t.Context(), id("t01"))
				if err == nil {
					version = l.Tenant().Version
					l.Release()
				}
				got <- err
			}()
			synctest.Wait() // the old record was read, and waits to be used
			next := tenant("t01")
			next.Version = 2
			if kind == registry.Suspended {
				next.Status = registry.StatusSuspended
			}
			w.records.put(next)
			w.Apply(registry.Change{ID: id("t01"), Kind: kind})
			close(w.records.hold)
			err := <-got
			if kind == registry.Suspended {
				mustBe(t, err, registry.ErrInactive)
			} else if err != nil || version != 2 {
				t.Errorf("version %d, error %v", version, err)
			}
		})
	}
}

func TestSuspensionAndRemovalRefuseAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		if err := w.run(t, "t01", "SELECT 1"); err != nil {
			t.Fatal(err)
		}
		gone := tenant("t01")
		gone.Status = registry.StatusSuspended
		w.records.put(gone)
		w.Apply(registry.Change{ID: id("t01"), Kind: registry.Suspended})
		mustBe(t, w.run(t, "t01", "SELECT 1"), registry.ErrInactive)
		synctest.Wait()
		if w.server.Open() != 0 || w.seen.count("pool suspended") != 1 {
			t.Errorf("%d connections are left, observed %v", w.server.Open(), w.seen.counts)
		}
	})
}
