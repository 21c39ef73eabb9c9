package pools_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestACancelledCallersConnectionIsOpenedForTheNextOne(t *testing.T) {
	t.Parallel()
	for _, handoff := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newTightWorld(t, 1, func(c *pools.Config) { c.Handoff = handoff })
			w.use(t, "t00")
			slow := func() { time.Sleep(time.Second) }
			w.server.OnStart(func(*poolstest.Session) error { slow(); return nil })
			w.server.Script("DISCARD ALL", func(s *poolstest.Session) error { slow(); return s.Discard() })
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			l := w.lease(t, "t01")
			_, err := l.Acquire(ctx)
			mustBe(t, err, context.DeadlineExceeded)
			began := time.Now()
			take(t, l, 1)[0].Release()
			if took := time.Since(began); took > 960*time.Millisecond {
				t.Errorf("it was opened anew: %v", took)
			}
			l.Release()
			if n, want := w.server.Startups(), map[bool]int{true: 1, false: 2}[handoff]; n != want {
				t.Errorf("%d connections were opened, want %d", n, want)
			}
			w.endWithin(t, 1)
		})
	}
}

func TestACancelledCallersConnectionGoesToAnotherTenantWhenNobodyElseOfItsOwnWaits(t *testing.T) {
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
		w.use(t, "t01")
		if n := w.seen.count("acquire handoff"); n != 1 || w.server.Startups() != 1 {
			t.Errorf("%d connections, observed %v", w.server.Startups(), w.seen.counts)
		}
		w.endWithin(t, 1)
	})
}

func TestAWaiterThatLeavesHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, nil)
		_, give := w.hold(t, "t00")
		ctx, cancel := context.WithCancel(t.Context())
		l := w.lease(t, "t01")
		leaver := start(func() error { _, err := l.Acquire(ctx); return err })
		next := start(func() error { return w.run(t, "t02", "select 1") })
		cancel()
		mustBe(t, <-leaver, context.Canceled)
		l.Release()
		if n := w.stat().Waiting; n != 1 {
			t.Errorf("%d wait, want the one that stayed", n)
		}
		give()
		mustBe(t, <-next, nil)
		w.endWithin(t, 1)
	})
}

func TestEveryWaiterIsServedHoweverTheConnectionsComeBack(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(context.Context, *pools.Conn){
		"in good order": func(context.Context, *pools.Conn) {},
		"discarded":     func(_ context.Context, c *pools.Conn) { c.Discard() },
		"closed":        func(ctx context.Context, c *pools.Conn) { _ = c.Conn().Close(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newTightWorld(t, 2, nil)
				w.edit("t05", func(t *registry.Tenant) { t.Login, t.SharedLogin = "t05", false })
				one, giveOne := w.hold(t, "t00")
				two, giveTwo := w.hold(t, "t01")
				var queued []<-chan error
				for _, name := range names(10) {
					queued = append(queued, start(func() error { return w.run(t, name, "select 1") }))
				}
				spoil(t.Context(), one)
				giveOne()
				spoil(t.Context(), two)
				giveTwo()
				for _, q := range queued {
					mustBe(t, <-q, nil)
				}
				w.endWithin(t, 2)
			})
		})
	}
}
