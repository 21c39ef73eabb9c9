package pools_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

// The budget: never more sockets at any instant, and nobody waits without need.

func TestTheServerNeverSeesMoreSocketsThanTheBudget(t *testing.T) {
	t.Parallel()
	const budget = 5
	slow := func(*poolstest.Session) { time.Sleep(20 * time.Millisecond) }
	for name, spoil := range map[string]func(*world, *pools.Config){
		"when all is well":            func(*world, *pools.Config) {},
		"when the server ends slowly": func(w *world, _ *pools.Config) { w.server.OnEnd(slow) },
		"when starting is slow": func(w *world, _ *pools.Config) {
			w.server.OnStart(func(s *poolstest.Session) error { slow(s); return nil })
		},
		"when start-ups fail": func(w *world, c *pools.Config) {
			c.BackoffMax = c.BackoffMin
			w.server.OnEnd(slow)
			var mu sync.Mutex
			n := 0
			w.server.OnStart(func(*poolstest.Session) error {
				mu.Lock()
				defer mu.Unlock()
				if n++; n%3 == 0 {
					return poolstest.Fail("57P03", "starting up")
				}
				return nil
			})
		},
		"when each connection is dialled twice": func(w *world, c *pools.Config) {
			w.server.OnEnd(slow)
			onMain(c, func(main *registry.Cluster) {
				main.DSN = registry.NewSecret(strings.Replace(main.DSN.Reveal(), "disable", "prefer", 1))
			})
		},
		"when handoff is off": func(w *world, c *pools.Config) {
			c.Handoff = false
			w.server.OnEnd(slow)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { crowd(t, budget, spoil) })
		})
	}
}

// crowd has forty tenants, half of them with logins of their own, want
// connections at once, and evicts, cancels and gives up between.
func crowd(t *testing.T, budget int, spoil func(*world, *pools.Config)) {
	t.Helper()
	fake := poolstest.New(15)
	w := newTightWorld(t, budget, func(c *pools.Config) {
		c.QueueTimeout, c.Queue, c.Dial = time.Hour, 1000, fake.Dial
		spoil(&world{server: fake}, c)
	})
	w.server = fake
	for _, name := range names(20) {
		w.edit(name, func(t *registry.Tenant) { t.Login, t.SharedLogin = name, false })
	}
	fake.Script("work", func(*poolstest.Session) error { time.Sleep(time.Millisecond); return nil })
	fake.Script("hang", poolstest.Hang)
	var workers sync.WaitGroup
	for i, name := range slices.Concat(names(40), names(40), names(40)) {
		workers.Go(func() {
			switch {
			case i%7 == 0:
				w.abandon(t, name, time.Duration(i)*time.Millisecond)
			case i%11 == 0:
				w.Evict(id(name))
			default:
				if err := w.run(t, name, "work"); err != nil && !errors.Is(err, pools.ErrDatabase) && !errors.Is(err, pools.ErrDrained) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	workers.Wait()
	w.endWithin(t, budget)
}

// abandon runs a statement that does not end until it is cancelled.
func (w *world) abandon(t *testing.T, name string, after time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	l, err := w.Lease(ctx, id(name))
	if err != nil {
		return
	}
	defer l.Release()
	if _, err := l.Exec(ctx, "hang"); err == nil {
		t.Errorf("%s: a statement without an end ended", name)
	}
}

func TestAFullBudgetNeverKeepsACancelFromGoingOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 2, nil)
		w.server.Script("hang", poolstest.Hang)
		_, give := w.hold(t, "t00")
		c, giveOther := w.hold(t, "t01")
		waiting := start(func() error { return w.run(t, "t02", "select 1") })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := c.Exec(ctx, "hang")
		if pg := new(pgconn.PgError); !errors.As(err, &pg) || pg.Code != "57014" {
			t.Errorf("the statement was not cancelled: %v", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("the cancel took %v", took)
		}
		giveOther()
		mustBe(t, <-waiting, nil)
		give()
		w.endWithin(t, 2)
	})
}

func TestASlotIsFreeOnlyWhenTheServersSideOfTheSocketIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, func(c *pools.Config) { c.Handoff = false })
		w.use(t, "t00")
		w.server.OnEnd(func(*poolstest.Session) { time.Sleep(time.Second) })
		began := time.Now()
		w.use(t, "t01")
		if took := time.Since(began); took < time.Second {
			t.Errorf("a second socket was dialled %v after the first was closed", took)
		}
		w.endWithin(t, 1)
	})
}

func TestAServerThatNeverEndsASessionDoesNotKeepItsSlotForGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, func(c *pools.Config) { c.Handoff, c.QueueTimeout = false, time.Minute })
		forever := make(chan struct{})
		w.use(t, "t00")
		w.server.OnEnd(func(*poolstest.Session) { <-forever })
		w.use(t, "t01")
		close(forever)
		synctest.Wait()
		w.endWithin(t, 2) // the one that never ended is not ours any more
	})
}
