package pools_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
)

// What happens when it is not clear how things stand.

func TestAPinThatIsRefusedHoldsUpNobodyElseOfTheLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		for _, name := range []string{"t01", "t02"} {
			shared := tenant(name)
			shared.Login, shared.SharedLogin = "", true
			w.records.put(shared)
		}
		w.server.Script(`SET search_path TO "t01"`, func(*poolstest.Session) error { return poolstest.Fail("3F000", "no schema") })
		mustBe(t, w.run(t, "t01", "select 1"), pools.ErrPin)
		if err := w.run(t, "t02", "select 1"); err != nil {
			t.Errorf("a neighbour: %v", err)
		}
		starts := w.server.Startups()
		mustBe(t, w.run(t, "t01", "select 1"), pools.ErrDatabase)
		if w.server.Startups() != starts {
			t.Error("the tenant's own failure was not remembered")
		}
	})
}

func TestAServerThatGoesAwayDuringThePinHasShownNothingWrong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		w := newWorld(t, 15, func(c *pools.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		defer w.end(t)
		shared := tenant("t01")
		shared.Login, shared.SharedLogin = "", true
		w.records.put(shared)
		w.server.Script(`SET search_path TO "t01"`, func(s *poolstest.Session) error { s.Kill(); return nil })
		err := w.run(t, "t01", "select 1")
		mustBe(t, err, pools.ErrDatabase)
		if errors.Is(err, pools.ErrPin) || strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "level=WARN") {
			t.Errorf("an outage is told as a wrong session: %v\n%s", err, log.String())
		}
	})
}

func TestAResetThatIsNeverAnsweredDoesNotHoldTheTenantUpForGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxConns = 1 })
		defer w.end(t)
		silent := make(chan struct{})
		defer close(silent)
		w.server.Script("CLOSE ALL", func(*poolstest.Session) error { <-silent; return nil })
		if err := w.run(t, "t01", "select 1"); err != nil {
			t.Fatal(err)
		}
		l := w.lease(t, "t01")
		defer l.Release()
		for try := range 10 { // each more impatient than the server is slow
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			c, err := l.Acquire(ctx)
			cancel()
			if err == nil {
				c.Release()
				return
			}
			mustBe(t, err, context.DeadlineExceeded)
			t.Logf("try %d: %v", try, err)
		}
		t.Error("the connection was never given up")
	})
}

func TestAReleasedConnectionIsOfNoMoreUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxConns = 1 })
		defer w.end(t)
		l := w.lease(t, "t01")
		defer l.Release()
		former, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		former.Release()
		next, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer next.Release()
		_, exec := former.Exec(t.Context(), "select 1")
		_, query := former.Query(t.Context(), "select 1") //nolint:rowserrcheck // there are none
		_, begin := former.Begin(t.Context())
		_, cp := former.CopyFrom(t.Context(), nil, nil, nil)
		for _, err := range []error{
			exec, query, begin, cp, former.Ping(t.Context()), former.QueryRow(t.Context(), "select 1").Scan(),
		} {
			mustBe(t, err, pools.ErrReleased)
		}
		if w.server.Count("select 1") != 0 {
			t.Error("a former holder's statement reached the server")
		}
	})
}

func TestColdCallersAtAServerThatRefusesParametersAreAllServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		w.server.OnStart(func(s *poolstest.Session) error {
			time.Sleep(time.Duration(s.PID+1) * time.Millisecond)
			if s.Settings["search_path"] != "" {
				return poolstest.Fail("08P01", "unsupported startup parameter: search_path")
			}
			return nil
		})
		l := w.lease(t, "t01")
		defer l.Release()
		errs := make(chan error, 3)
		for range 3 {
			go func() {
				c, err := l.Acquire(t.Context())
				if err == nil {
					c.Release()
				}
				errs <- err
			}()
		}
		for range 3 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}

// lost swallows what is written to it: a cancel request that never arrives.
type lost struct{ net.Conn }

func (lost) Write(b []byte) (int, error) { return len(b), nil }

func TestASessionWhoseCancelMayStillComeIsNotLentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dials := 0
		w := newWorld(t, 15, func(c *pools.Config) {
			dial := c.Dial
			c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := dial(ctx, network, addr)
				if dials++; dials == 2 {
					return lost{conn}, err
				}
				return conn, err
			}
		})
		defer w.end(t)
		w.server.Script("slow", func(*poolstest.Session) error {
			time.Sleep(1500 * time.Millisecond)
			return nil
		})
		l := w.lease(t, "t01")
		defer l.Release()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Exec(ctx, "slow"); err != nil {
			t.Logf("slow: %v", err)
		}
		if _, err := l.Exec(t.Context(), "select 1"); err != nil {
			t.Error(err)
		}
		if n := w.server.Startups(); n != 2 {
			t.Errorf("%d connections were opened, want a second one", n)
		}
	})
}

func TestACloseThatEndsALookupSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		w.records.hold = make(chan struct{})
		left := make(chan error, 1)
		go func() {
			_, err := w.Lease(t.Context(), id("t01"))
			left <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Close(ctx); err != nil {
			t.Error(err)
		}
		mustBe(t, <-left, pools.ErrClosed)
	})
}

func TestALookForSurplusDoesNotMakeARestedConnectionLookFresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxConns, c.IdleAfter = 2, 10*time.Minute })
		defer w.end(t)
		use := func() *pools.Lease {
			l := w.lease(t, "t01")
			held := take(t, l, 2)
			for _, c := range held {
				c.Release()
			}
			return l
		}
		use().Release()
		time.Sleep(9 * time.Minute)
		l := use()
		time.Sleep(9 * time.Minute)
		w.server.Stop() // both connections are dead now
		w.server.Resume()
		l.Release() // and looked at
		synctest.Wait()
		if err := w.run(t, "t01", "select 1"); err != nil {
			t.Errorf("a dead connection was lent: %v", err)
		}
	})
}

func TestPowersThatALoginGetsLaterTakeItsWallAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxConns = 1 })
		defer w.end(t)
		walled := func() error {
			l := w.lease(t, "t01")
			defer l.Release()
			c, err := l.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Release()
			if _, err := c.Exec(t.Context(), "select 1"); err != nil {
				t.Fatal(err)
			}
			return c.Walled()
		}
		if err := walled(); err != nil {
			t.Fatal(err)
		}
		w.server.Empower()
		for range 3 { // seen at the second release after the time is over
			time.Sleep(11 * time.Second)
			_ = walled()
		}
		mustBe(t, walled(), pools.ErrNotWalled)
		if w.server.Startups() != 1 {
			t.Error("it was a new connection that saw it")
		}
	})
}
