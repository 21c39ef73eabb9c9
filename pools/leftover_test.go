package pools_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
)

// What holders leave behind, and what they do with what is not theirs any more.

func TestWhatIsHeldAtTheEndOfALeaseIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		w := newWorld(t, 15, func(c *pools.Config) {
			c.MaxConns, c.Log = 3, slog.New(slog.NewTextHandler(&log, nil))
		})
		defer w.end(t)
		other, give := w.hold(t, "t01")
		defer give()
		for i := range 3 { // a tenant must not lose a connection each time
			if i == 2 {
				time.Sleep(10 * time.Second) // and is told of once in a while
			}
			l := w.lease(t, "t01")
			if _, err := l.Begin(t.Context()); err != nil {
				t.Fatal(err)
			}
			second := take(t, l, 1)[0]
			l.End()
			synctest.Wait()
			if n := w.server.Open(); n != 1 {
				t.Errorf("%d sessions are open, want that of the other lease", n)
			}
			_, err := second.Exec(t.Context(), "select 1")
			mustBe(t, err, pools.ErrReleased)
			second.Release()
			l.End()
		}
		if err := other.Ping(t.Context()); err != nil {
			t.Errorf("the other lease's connection: %v", err)
		}
		if n := w.seen.count("t01 closed cut"); n != 6 || strings.Count(log.String(), "connections=2") != 2 {
			t.Errorf("%d connections were cut, want 6; the log says %s", n, log.String())
		}
	})
}

func TestALeaseThatHoldsNothingEndsLikeARelease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		l := w.lease(t, "t01")
		for _, c := range take(t, l, 2) {
			c.Release()
		}
		l.End()
		synctest.Wait()
		if n := w.server.Open(); n != 2 || w.Stats()[0].Leases != 0 {
			t.Errorf("%d sessions, %+v", n, w.Stats())
		}
	})
}

func TestAConnectionThatComesAfterTheEndOfItsLeaseGoesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxConns = 1 })
		defer w.end(t)
		_, give := w.hold(t, "t01")
		l := w.lease(t, "t01")
		waits := start(func() error {
			_, err := l.Acquire(t.Context())
			return err
		})
		l.End()
		give()
		mustBe(t, <-waits, pools.ErrReleased)
		if err := w.run(t, "t01", "select 1"); err != nil {
			t.Errorf("the next one: %v", err)
		}
	})
}

func TestClosingDoesNotWaitForAHolderWhoseConnectionBroke(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		c, _ := w.hold(t, "t01") // nobody gives it back, nor its lease
		w.server.Stop()
		if _, err := c.Exec(t.Context(), "select 1"); err == nil {
			t.Error("a statement ran on a server that is down")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := w.Close(ctx)
		if err == nil || !strings.Contains(err.Error(), "1 leases cut, 1 connections held") {
			t.Errorf("error is %v", err)
		}
		mustBe(t, err, context.DeadlineExceeded)
	})
}

func TestAPoolIsClosedAtItsDeadlineThoughABrokenConnectionIsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.DrainTimeout = time.Minute })
		defer w.end(t)
		l := w.lease(t, "t01")
		c := take(t, l, 1)[0]
		l.Release()
		w.server.Stop()
		if _, err := c.Exec(t.Context(), "select 1"); err == nil {
			t.Error("a statement ran on a server that is down")
		}
		w.Evict(id("t01"))
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if left := w.Stats(); len(left) != 0 {
			t.Errorf("pools are left: %+v", left)
		}
		_, err := c.Exec(t.Context(), "select 1")
		mustBe(t, err, pools.ErrDrained)
	})
}

func TestClosingTellsOfAConnectionThatWasHeldWithoutALease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		l := w.lease(t, "t01")
		take(t, l, 1)
		l.Release()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Close(ctx); err == nil || !strings.Contains(err.Error(), "0 leases cut, 1 connections held") {
			t.Errorf("error is %v", err)
		}
	})
}

func TestWhoHasReleasedAConnectionCannotDiscardIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		l := w.lease(t, "t01")
		defer l.Release()
		first := take(t, l, 1)[0]
		first.Release()
		second := take(t, l, 1)[0]
		first.Discard()
		second.Release()
		synctest.Wait()
		if n := w.server.Open(); n != 1 {
			t.Errorf("%d sessions are open, want the one that was not discarded", n)
		}
	})
}

func TestTheEndOfAContextIsToldBesideItsCause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxConns = 1 })
		defer w.end(t)
		signalled := errors.New("interrupt signal received") // as signal.NotifyContext has it
		ended, cancel := context.WithCancelCause(t.Context())
		cancel(signalled)
		_, give := w.hold(t, "t01")
		l := w.lease(t, "t01")
		_, acquired := l.Acquire(ended)
		_, began := l.Begin(ended)
		_, cold := w.Lease(ended, id("t02"))
		retried := pools.Retry{}.Do(ended, func() error { return refusal("40001") })
		for what, err := range map[string]error{"acquire": acquired, "begin": began, "lease": cold, "retry": retried} {
			if !errors.Is(err, context.Canceled) || !errors.Is(err, signalled) {
				t.Errorf("%s: error is %v", what, err)
			}
		}
		l.Release()
		give()
	})
}
