package pools_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
)

func TestAnOpenTransactionIsRolledBackAtRelease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxConns = 1 })
		defer w.end(t)
		for range 3 {
			if err := w.run(t, "t01", "BEGIN"); err != nil {
				t.Fatal(err)
			}
		}
		if w.server.Startups() != 1 || w.server.Count("ROLLBACK") != 3 {
			t.Errorf("%d connections, %d rollbacks", w.server.Startups(), w.server.Count("ROLLBACK"))
		}
		if w.seen.count("drift transaction") != 3 {
			t.Errorf("observed %v", w.seen.counts)
		}
	})
}

func TestAResetThatIsRefusedCostsTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxConns = 1 })
		defer w.end(t)
		if err := w.run(t, "t01", "select 1"); err != nil {
			t.Fatal(err)
		}
		w.server.Script("CLOSE ALL", func(*poolstest.Session) error { return poolstest.Fail("57014", "late cancel") })
		if err := w.run(t, "t01", "select 1"); err != nil { // the first reset was fine, the second is not
			t.Fatal(err)
		}
		w.server.Script("CLOSE ALL", func(*poolstest.Session) error { return nil })
		if err := w.run(t, "t01", "select 1"); err != nil {
			t.Fatal(err)
		}
		if w.server.Startups() != 2 || w.seen.count("drift reset") != 1 || w.seen.count("closed drift") != 1 {
			t.Errorf("%d connections, observed %v", w.server.Startups(), w.seen.counts)
		}
	})
}

func TestAnUnusedConnectionIsNotReset(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		for range 5 {
			l := w.lease(t, "t01")
			c, err := l.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c.Release()
			l.Release()
		}
		if n := w.server.Count("CLOSE ALL"); n != 0 {
			t.Errorf("%d resets", n)
		}
	})
}

func TestASessionWhosePinCannotBeRestoredIsDestroyed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxConns = 1 })
		defer w.end(t)
		shared := tenant("t01")
		shared.Login, shared.SharedLogin = "", true
		w.records.put(shared)
		if err := w.run(t, "t01", "select 1"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.server.LosePins(true) // the reset's answer is success, but the path is gone
		if err := w.run(t, "t01", "select 1"); err != nil {
			t.Fatal(err)
		}
		mustBe(t, w.run(t, "t01", "select 1"), pools.ErrPin)
		if w.seen.count("drift search_path") != 1 {
			t.Errorf("observed %v", w.seen.counts)
		}
	})
}

func TestASessionThatWasCancelledIsResetEvenWhereReportsSuffice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 18, func(c *pools.Config) { c.SQL, c.MaxConns = pools.Trusted, 1 })
		defer w.end(t)
		w.server.Script("hang", poolstest.Hang)
		l := w.lease(t, "t01")
		defer l.Release()
		if _, err := l.Exec(t.Context(), "select 1"); err != nil {
			t.Fatal(err)
		}
		before := w.server.Count("CLOSE ALL")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Exec(ctx, "hang"); err == nil {
			t.Error("a statement without an end ended")
		}
		if _, err := l.Exec(t.Context(), "select 1"); err != nil {
			t.Error(err)
		}
		if after := w.server.Count("CLOSE ALL"); before != 0 || after != 1 {
			t.Errorf("%d resets before the cancel, %d after", before, after)
		}
	})
}

func TestACallerWhoLeavesWhileASessionIsResetDoesNotCostTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxConns = 1 })
		defer w.end(t)
		w.server.Script("CLOSE ALL", func(*poolstest.Session) error {
			time.Sleep(time.Second)
			return nil
		})
		if err := w.run(t, "t01", "select 1"); err != nil {
			t.Fatal(err)
		}
		l := w.lease(t, "t01")
		defer l.Release()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := l.Acquire(ctx)
		mustBe(t, err, context.DeadlineExceeded)
		if _, err := l.Exec(t.Context(), "select 1"); err != nil {
			t.Error(err)
		}
		if n := w.server.Startups(); n != 1 {
			t.Errorf("%d connections were opened, want 1", n)
		}
	})
}
