package pools_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestOneCallOfRefreshServesAllWhoWereRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer, failure := "third", error(nil)
		count, refresh := asked(&answer, &failure)
		w := newWorld(t, 15, func(c *pools.Config) { c.Refresh = refresh })
		w.rotate("old", "new")
		w.server.SetPassword("t00", "third")
		l := w.lease(t, "t00")
		var waiting []<-chan error
		for range 4 {
			waiting = append(waiting, start(func() error {
				c, err := l.Acquire(t.Context())
				if err == nil {
					defer c.Release()
					time.Sleep(time.Second)
				}
				return err
			}))
		}
		for _, one := range waiting {
			mustBe(t, <-one, nil)
		}
		l.Release()
		if n := count(); n != 1 {
			t.Errorf("Refresh was called %d times", n)
		}
		if n := w.stat().BreakersOpen; n != 0 {
			t.Errorf("%d breakers are open", n)
		}
		w.endWithin(t, 200)
	})
}

func TestARefreshThatDoesNotHelpLeavesTheServersRefusal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer string
		err    error
	}{
		"it fails":                      {"", errors.New("no record")},
		"it has nothing":                {"", nil},
		"it says what was refused":      {"old", nil},
		"the server does not take that": {"wrong", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				count, refresh := asked(&c.answer, &c.err)
				w := newWorld(t, 15, func(c *pools.Config) { c.Refresh = refresh })
				w.rotate("old", "")
				w.server.SetPassword("t00", "new")
				mustSayWrongPassword(t, w.run(t, "t00", "select 1"))
				if n := w.stat().BreakersOpen; n != 1 {
					t.Errorf("%d breakers are open", n)
				}
				mustBe(t, w.run(t, "t00", "select 1"), pools.ErrDatabase) // at once, and nobody is asked
				if n := count(); n != 1 {
					t.Errorf("Refresh was called %d times", n)
				}
				c.answer, c.err = "new", nil
				time.Sleep(time.Second)
				w.use(t, "t00")
				w.endWithin(t, 200)
			})
		})
	}
}

func TestRefreshEndsWithItsTimeNotWithACallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		w := newWorld(t, 15, func(c *pools.Config) {
			c.Refresh = func(ctx context.Context, _ *registry.Tenant) (registry.Secret, error) {
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return registry.Secret{}, ctx.Err()
			}
		})
		w.rotate("old", "")
		w.server.SetPassword("t00", "new")
		l := w.lease(t, "t00")
		defer l.Release()
		ctx, cancel := context.WithCancel(t.Context())
		left := start(func() error { _, err := l.Acquire(ctx); return err })
		stays := start(func() error { _, err := l.Acquire(t.Context()); return err })
		began := time.Now()
		cancel()
		mustBe(t, <-left, context.Canceled)
		if took := time.Since(began); took != 0 {
			t.Errorf("who left waited %v", took)
		}
		mustSayWrongPassword(t, <-stays)
		mustBe(t, <-ended, context.DeadlineExceeded)
		l.Release()
		w.endWithin(t, 200)
	})
}

func TestWhoIsRefusedJustAfterARefreshThatDidNotHelpAsksNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer, failure := "", error(nil)
		count, refresh := asked(&answer, &failure) // takes 100 ms
		server := poolstest.New(15)
		w := newWorld(t, 15, func(c *pools.Config) {
			c.Refresh = refresh
			c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := server.Dial(ctx, network, addr)
				if server.Dials() == 2 {
					time.Sleep(110 * time.Millisecond)
				}
				return conn, err
			}
		})
		w.rotate("old", "")
		server.SetPassword("t00", "new")
		l := w.lease(t, "t00")
		first := start(func() error { _, err := l.Acquire(t.Context()); return err })
		second := start(func() error { _, err := l.Acquire(t.Context()); return err })
		mustSayWrongPassword(t, <-first)
		mustSayWrongPassword(t, <-second)
		if n := count(); n != 1 || server.Refused() != 2 {
			t.Errorf("Refresh was called %d times, %d passwords were refused", n, server.Refused())
		}
		l.Release()
		w.end(t)
	})
}
