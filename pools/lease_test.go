package pools_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestAStatementRunsOnThePinnedSession(t *testing.T) {
	t.Parallel()
	for _, version := range []int{15, 18} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, version, nil)
			defer w.end(t)
			if err := w.run(t, "t01", "SELECT 1"); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				l := w.lease(t, "t01")
				if _, err := l.Exec(t.Context(), "select 2"); err != nil {
					t.Fatal(err)
				}
				l.Release()
			}
			if n := w.server.Startups(); n != 1 {
				t.Errorf("%d connections were opened, want 1", n)
			}
		})
	}
}

func TestIdleTimeClosesThePoolAndNothingTicksMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		if err := w.run(t, "t01", "SELECT 1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Minute)
		if w.live() != 1 || w.server.Open() != 1 {
			t.Errorf("%d pools, %d connections after four minutes, want 1 and 1", w.live(), w.server.Open())
		}
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if w.live() != 0 || w.server.Open() != 0 {
			t.Errorf("%d pools, %d connections after five minutes, want none", w.live(), w.server.Open())
		}
		if w.seen.count("pool idle") != 1 || w.seen.count("closed idle") != 1 {
			t.Errorf("observed: %v", w.seen.counts)
		}
		dials := w.server.Dials()
		time.Sleep(24 * time.Hour)
		if w.server.Dials() != dials {
			t.Error("a suspended database was dialed")
		}
	})
}

func TestFiveHundredFirstRequestsOpenOnePool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		w.records.hold = make(chan struct{})
		first, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() {
			_, err := w.Lease(first, id("t01"))
			gone <- err
		}()
		synctest.Wait()
		errs := make(chan error, 499)
		for range 499 {
			go func() {
				l, err := w.Lease(t.Context(), id("t01"))
				if err == nil {
					defer l.Release()
				}
				errs <- err
			}()
		}
		synctest.Wait()
		cancel()
		mustBe(t, <-gone, context.Canceled)
		close(w.records.hold)
		for range 499 {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if s := w.Stats()[0]; s.Leases != 0 {
			t.Errorf("%d leases are left", s.Leases)
		}
		if n := w.seen.count("pool published"); n != 1 || w.records.lookups != 1 {
			t.Errorf("%d pools opened with %d lookups, want 1 and 1", n, w.records.lookups)
		}
	})
}
