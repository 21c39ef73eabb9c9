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

// Connections that change hands.

// glance is what a statement saw of its session.
type glance struct {
	pid            uint32
	path, row, app string
}

// watch scripts the statement "look", which reports what it sees.
func (w *world) watch() func() glance {
	var last glance
	w.server.Script("look", func(s *poolstest.Session) error {
		last = glance{s.PID, s.Settings["search_path"], s.Settings["app.tenant_id"], s.Settings["application_name"]}
		return nil
	})
	return func() glance { return last }
}

func TestAConnectionThatChangedHandsIsTheNewTenants(t *testing.T) {
	t.Parallel()
	for _, version := range []int{15, 18} {
		synctest.Test(t, func(t *testing.T) {
			fake := poolstest.New(version)
			w := newTightWorld(t, 1, func(c *pools.Config) { c.Dial = fake.Dial })
			w.server = fake
			w.edit("t02", func(t *registry.Tenant) { t.Isolation = registry.IsolationRow })
			look := w.watch()
			for _, name := range []string{"t00", "t01", "t02", "t00"} {
				if err := w.run(t, name, "SET search_path TO nowhere"); err != nil {
					t.Error(err)
				}
				if err := w.run(t, name, "look"); err != nil {
					t.Error(err)
				}
				row := map[string]string{"t02": "t02"}[name]
				if g := look(); g.path != `"`+name+`"` || g.row != row || g.pid != 1 {
					t.Errorf("%d: a statement of %s saw %+v", version, name, g)
				}
			}
			if n := w.seen.count("opened handoff"); n != 3 || w.seen.count("closed handoff") != 3 || w.server.Startups() != 1 {
				t.Errorf("%d connections, observed %v", w.server.Startups(), w.seen.counts)
			}
			w.endWithin(t, 1)
		})
	}
}

func TestASessionThatDoesNotShowTheNewTenantIsDialledInstead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, nil)
		look := w.watch()
		w.use(t, "t00")
		w.server.LosePinsAfterDiscard(true)
		if err := w.run(t, "t01", "look"); err != nil {
			t.Error(err)
		}
		if g := look(); g.path != `"t01"` || g.pid != 2 {
			t.Errorf("the statement saw %+v", g)
		}
		if w.seen.count("acquire dial") != 2 || w.seen.count("opened handoff") != 0 || w.stat().InUse != 1 {
			t.Errorf("observed %v, %+v", w.seen.counts, w.stat())
		}
		w.use(t, "t02", "t00") // no permit was lost
		w.endWithin(t, 1)
	})
}

func TestWhatTheEarlierTenantBrokeIsNotHandedOver(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(w *world){
		"its reset is refused": func(w *world) {
			w.server.Script("CLOSE ALL", func(*poolstest.Session) error { return poolstest.Fail("XX000", "no") })
		},
		"its reset says that it is somebody else": func(w *world) {
			w.server.Script("RESET ALL", func(s *poolstest.Session) error { s.User = "root"; return nil })
		},
		"its reset is not answered": func(w *world) {
			w.server.Script("CLOSE ALL", poolstest.Hang)
		},
		"DISCARD ALL is refused": func(w *world) {
			w.server.Script("DISCARD ALL", func(*poolstest.Session) error { return poolstest.Fail("XX000", "no") })
		},
		"its socket is dead": func(w *world) {
			w.server.Script("CLOSE ALL", func(s *poolstest.Session) error { s.Kill(); return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newTightWorld(t, 1, func(c *pools.Config) { c.QueueTimeout = time.Minute })
				look := w.watch()
				spoil(w)
				w.use(t, "t00")
				if err := w.run(t, "t01", "look"); err != nil {
					t.Error(err)
				}
				if g := look(); g.pid != 2 || g.path != `"t01"` || w.seen.count("acquire handoff") != 0 {
					t.Errorf("the statement saw %+v, observed %v", g, w.seen.counts)
				}
				w.endWithin(t, 1)
			})
		})
	}
}

func TestHandoffCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, func(c *pools.Config) { c.Handoff = false })
		w.use(t, "t00", "t01")
		if w.server.Startups() != 2 || w.seen.count("closed stolen") != 1 || w.server.Count("DISCARD ALL") != 0 {
			t.Errorf("%d connections, observed %v", w.server.Startups(), w.seen.counts)
		}
		w.endWithin(t, 1)
	})
}

func TestAConnectionOfAnotherLoginOrDatabaseIsClosedNotHandedOver(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]func(*registry.Tenant){
		"login":              func(t *registry.Tenant) { t.Login, t.SharedLogin = "t01", false },
		"shared login":       func(t *registry.Tenant) { t.Login = "group" },
		"database":           func(t *registry.Tenant) { t.Database = "elsewhere" },
		"database isolation": func(t *registry.Tenant) { t.Isolation, t.Database = registry.IsolationDatabase, "d01" },
		"connection string": func(t *registry.Tenant) {
			t.DSN = registry.NewSecret("postgres://shared:pw@127.0.0.1:5432/app?sslmode=disable")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newTightWorld(t, 1, nil)
				w.edit("t01", other)
				w.use(t, "t00", "t01", "t02")
				if w.server.Startups() != 3 || w.seen.count("closed stolen") != 2 || w.seen.count("opened handoff") != 0 {
					t.Errorf("%d connections, observed %v", w.server.Startups(), w.seen.counts)
				}
				w.endWithin(t, 1)
			})
		})
	}
}

func TestACancelRightAfterAHandoffReachesTheSessionThatWasHandedOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 2, nil)
		cancelled := make(chan uint32, 2)
		w.server.Script("hang", func(s *poolstest.Session) error {
			err := poolstest.Hang(s)
			cancelled <- s.PID
			return err
		})
		w.use(t, "t00")
		bystander := w.lease(t, "t02")
		ctx, end := context.WithCancel(t.Context())
		hanging := start(func() error { _, err := bystander.Exec(ctx, "hang"); return err })
		w.abandon(t, "t01", time.Second)
		if w.seen.count("acquire handoff") != 1 {
			t.Errorf("observed %v", w.seen.counts)
		}
		if pid := <-cancelled; pid != 1 || len(cancelled) != 0 {
			t.Errorf("session %d was cancelled", pid)
		}
		end()
		if pg := new(pgconn.PgError); !errors.As(<-hanging, &pg) || pg.Code != "57014" {
			t.Errorf("the bystander: %v", pg)
		}
		bystander.Release()
		w.use(t, "t00", "t01")
		w.endWithin(t, 2)
	})
}

func TestANewTenantIsNotHeldUpByACancelOfTheEarlierOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, nil)
		w.server.Script("hang", poolstest.Hang)
		w.server.Script("work", func(s *poolstest.Session) error {
			select {
			case <-s.Cancelled():
				return poolstest.Fail("57014", "canceled for another")
			case <-time.After(time.Second):
				return nil
			}
		})
		for range 10 {
			w.abandon(t, "t00", 10*time.Millisecond)
			mustBe(t, w.run(t, "t01", "work"), nil)
		}
		w.endWithin(t, 1)
	})
}
