package pools_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Spare connections: ready before anybody wants them, and in nobody's way.

// newSpareWorld is a newTightWorld with spares.
func newSpareWorld(t *testing.T, budget, spares int, edit func(*pools.Config)) *world {
	t.Helper()
	w := newTightWorld(t, budget, func(c *pools.Config) {
		onMain(c, func(main *registry.Cluster) { main.Spares = spares })
		if edit != nil {
			edit(c)
		}
	})
	synctest.Wait()
	return w
}

// newGatedWorld has spares that become tenants with logins of their own, and
// two such tenants, t00 and t01, whose logins have been let in before.
func newGatedWorld(t *testing.T, budget, spares int) *world {
	t.Helper()
	fake := poolstest.New(15)
	fake.OpenGate("gate")
	w := newSpareWorld(t, budget, spares, func(c *pools.Config) {
		c.Dial = fake.Dial
		onMain(c, func(main *registry.Cluster) {
			main.SpareDSN = registry.NewSecret("postgres://gate:pw@127.0.0.1:5432/app?sslmode=disable")
		})
	})
	w.server = fake
	for _, name := range []string{"t00", "t01"} {
		w.edit(name, func(t *registry.Tenant) {
			t.Login, t.SharedLogin, t.Password = name, false, registry.NewSecret("pw")
		})
		w.use(t, name)
		w.Evict(id(name))
		synctest.Wait()
	}
	return w
}

func TestSparesAreOpenedInTheBackgroundAndServeColdTenants(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newSpareWorld(t, 5, 2, nil)
		if s := w.stat(); s.Spares != 2 || s.InUse != 2 || s.Idle != 0 || w.server.Open() != 2 {
			t.Errorf("%+v, %d sessions", s, w.server.Open())
		}
		look := w.watch()
		if err := w.run(t, "t00", "look"); err != nil {
			t.Error(err)
		}
		if g := look(); g.path != `"t00"` || g.pid > 2 || w.seen.count("acquire spare") != 1 {
			t.Errorf("the statement saw %+v, observed %v", g, w.seen.counts)
		}
		synctest.Wait()
		if s := w.stat(); s.Spares != 2 || s.InUse != 3 || w.seen.count("opened dial") != 3 {
			t.Errorf("the spare was not replaced: %+v", s)
		}
		w.endWithin(t, 5)
	})
}

func TestSparesTakeOnlyWhatNobodyWants(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newSpareWorld(t, 4, 2, nil)
		var gives []func()
		for _, name := range names(4) {
			_, give := w.hold(t, name)
			gives = append(gives, give)
		}
		synctest.Wait()
		if s := w.stat(); s.Spares != 0 || s.InUse != 4 {
			t.Errorf("spares are kept from tenants: %+v", s)
		}
		waiting := start(func() error { return w.run(t, "t05", "select 1") })
		gives[0]()
		mustBe(t, <-waiting, nil)
		for _, give := range gives[1:] {
			give()
		}
		for _, name := range names(4) {
			w.Evict(id(name))
		}
		synctest.Wait()
		if s := w.stat(); s.Spares != 2 {
			t.Errorf("room came back, and was not used: %+v", s)
		}
		w.endWithin(t, 4)
	})
}

func TestASpareIsGivenUpBeforeAnythingThatIsSomebodys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newSpareWorld(t, 3, 1, func(c *pools.Config) { c.KeepWarm = 0 })
		w.edit("t01", func(t *registry.Tenant) { t.Login, t.SharedLogin = "t01", false }) // has no use for it
		l := w.lease(t, "t00")
		for _, c := range take(t, l, 2) {
			c.Release()
		}
		l.Release()
		synctest.Wait()
		if s := w.stat(); s.Spares != 1 || s.Idle != 2 {
			t.Errorf("at first: %+v", s)
		}
		time.Sleep(time.Minute)
		w.use(t, "t01")
		w.mustHave(t, map[string]int{"t00": 2, "t01": 1})
		if s := w.stat(); s.Spares != 0 {
			t.Errorf("then: %+v", s)
		}
		w.endWithin(t, 3)
	})
}

func TestThereAreNoSparesWithoutHandoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newSpareWorld(t, 3, 2, func(c *pools.Config) { c.Handoff = false })
		if n := w.server.Dials(); n != 0 {
			t.Errorf("%d connections were dialled", n)
		}
		w.endWithin(t, 3)
	})
}

func TestSparesAreNoPingLoopAtADeadServer(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"57P03", "28P01", "53300"} {
		synctest.Test(t, func(t *testing.T) {
			fake := poolstest.New(15)
			fake.OnStart(func(*poolstest.Session) error { return poolstest.Fail(code, "no") })
			w := newSpareWorld(t, 10, 2, func(c *pools.Config) { c.Dial = fake.Dial })
			w.server = fake
			time.Sleep(time.Hour)
			if n := w.server.Dials(); n > 4 {
				t.Errorf("%s: %d tries although nobody asked", code, n)
			}
			fake.OnStart(nil)
			w.use(t, "t00")
			time.Sleep(10 * time.Second)
			w.use(t, "t01")
			if s := w.stat(); s.Spares != 2 {
				t.Errorf("%s: the server is back: %+v", code, s)
			}
			w.endWithin(t, 10)
		})
	}
}

func TestASpareDoesNotMakeTheTryThatATenantWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newSpareWorld(t, 10, 0, nil)
		w.server.Stop()
		mustBe(t, w.run(t, "t00", "select 1"), pools.ErrDatabase)
		w.server.Resume()
		w.server.OnStart(func(*poolstest.Session) error { time.Sleep(time.Second); return nil })
		time.Sleep(time.Minute)
		if err := w.SetCluster("main", registry.Cluster{Budget: 10, Spares: 1}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		w.use(t, "t00")
		w.endWithin(t, 10)
	})
}

func TestSparesFollowTheirNumber(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newSpareWorld(t, 10, 0, nil)
		for _, n := range []int{3, 1, 5, 0} {
			if err := w.SetCluster("main", registry.Cluster{Budget: 10, Spares: n}); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if s := w.stat(); s.Spares != n || w.server.Open() != n {
				t.Errorf("%+v, %d sessions, want %d", s, w.server.Open(), n)
			}
		}
		w.endWithin(t, 10)
	})
}

// For logins of the tenants' own.

func TestASpareBecomesATenantsLoginAndNobodyElsesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newGatedWorld(t, 4, 1)
		var user string
		w.server.Script("who", func(s *poolstest.Session) error { user = s.User; return nil })
		if err := w.run(t, "t00", "who"); err != nil {
			t.Error(err)
		}
		if user != "t00" || w.seen.count("acquire spare") != 1 {
			t.Errorf("it is %s's, observed %v", user, w.seen.counts)
		}
		for _, name := range []string{"t01", "t02", "t00"} {
			if err := w.run(t, name, "who"); err != nil {
				t.Error(err)
			}
		}
		if user != "t00" || w.seen.count("opened handoff") != 0 {
			t.Errorf("it is %s's, observed %v", user, w.seen.counts)
		}
		synctest.Wait()
		w.endWithin(t, 4)
	})
}

func TestALoginThatWasNeverLetInGetsNoSpare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newGatedWorld(t, 4, 1)
		w.edit("t03", func(t *registry.Tenant) { t.Login, t.SharedLogin = "t03", false })
		w.use(t, "t03")
		w.edit("t00", func(t *registry.Tenant) { t.Password = registry.NewSecret("another") })
		w.use(t, "t00") // a password that was never tried
		if n := w.seen.count("acquire spare"); n != 0 {
			t.Errorf("observed %v", w.seen.counts)
		}
		w.endWithin(t, 4)
	})
}

func TestASpareThatCannotBecomeTheTenantsIsDialledInstead(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*poolstest.Server){
		"may not connect": func(s *poolstest.Server) { s.Forbid("t00") },
		"guards the gate": func(s *poolstest.Server) { s.OpenGate("t00") },
		"pin is not obeyed": func(s *poolstest.Server) {
			s.Script(`SET search_path TO "t00"`, func(*poolstest.Session) error { return nil })
		},
		"gate is shut again": func(s *poolstest.Server) { s.ShutGate("gate") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newGatedWorld(t, 3, 1)
				spoil(w.server)
				dials := w.seen.count("acquire dial")
				w.use(t, "t00")
				if n := w.seen.count("acquire dial") - dials; n != 1 || w.seen.count("acquire spare") != 0 {
					t.Errorf("observed %v", w.seen.counts)
				}
				if s := w.stat(); s.InUse != w.server.Open() {
					t.Errorf("%+v, %d sessions", s, w.server.Open())
				}
				w.endWithin(t, 3)
			})
		})
	}
}

func TestASpareWhoseLoginIsNotFitIsNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newSpareWorld(t, 3, 1, func(c *pools.Config) {
			onMain(c, func(main *registry.Cluster) {
				main.SpareDSN = registry.NewSecret("postgres://gate:pw@127.0.0.1:5432/app?sslmode=disable")
			})
		})
		if s := w.stat(); s.Spares != 0 || s.InUse != 0 || w.server.Open() != 0 {
			t.Errorf("%+v, %d sessions", s, w.server.Open())
		}
		w.use(t, "t00")
		w.endWithin(t, 3)
	})
}

func TestATenantWithTheSparesLoginIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newGatedWorld(t, 3, 1)
		w.edit("t02", func(t *registry.Tenant) { t.Login, t.SharedLogin = "gate", false })
		mustBe(t, w.run(t, "t02", "select 1"), pools.ErrRecord)
		w.endWithin(t, 3)
	})
}
