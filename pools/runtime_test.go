package pools_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

// What changes while the keeper runs, and what it says of itself.

func TestABudgetIsDerivedFromWhatTheServerHas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 0, func(c *pools.Config) {
			c.ConnLifetime = time.Minute
			onMain(c, func(main *registry.Cluster) { main.Margin, main.Replicas = 7, 2 })
		})
		if s := w.stat(); s.Budget != 8 || !s.Derived {
			t.Errorf("before the first connection: %+v", s)
		}
		w.use(t, "t00")
		if s := w.stat(); s.Budget != 45 || !s.Derived { // (97-7)/2
			t.Errorf("after the first connection: %+v", s)
		}
		w.server.Offer(27)
		time.Sleep(2 * time.Minute)
		w.use(t, "t00", "t01") // the first one's connection is too old
		if s := w.stat(); s.Budget != 10 {
			t.Errorf("the server has fewer now: %+v", s)
		}
		if err := w.SetCluster("main", registry.Cluster{Replicas: 20}); err != nil {
			t.Error(err)
		}
		if s := w.stat(); s.Budget != 1 || !s.Derived {
			t.Errorf("a derived budget is never nothing: %+v", s)
		}
		w.endWithin(t, 45)
	})
}

func TestTheFirstConnectionsStayWithinTheProvisionalBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 0, nil)
		w.server.OnStart(func(*poolstest.Session) error { time.Sleep(time.Second); return nil })
		var all []<-chan error
		for _, name := range names(40) {
			all = append(all, start(func() error { return w.run(t, name, "select 1") }))
		}
		for _, done := range all {
			mustBe(t, <-done, nil)
		}
		w.endWithin(t, 8+94)
		if n := w.server.Peak(); n < 40 {
			t.Errorf("%d sockets at once, more were allowed as soon as the server had told", n)
		}
	})
}

func TestASmallerBudgetClosesWhatIsIdleAndCutsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 4, nil)
		w.server.Script("work", func(*poolstest.Session) error { time.Sleep(time.Second); return nil })
		w.use(t, "t00")
		_, give := w.hold(t, "t01")
		running := start(func() error { return w.run(t, "t02", "work") })
		w.use(t, "t00", "t03")
		if err := w.SetCluster("main", registry.Cluster{Budget: 1}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if s := w.stat(); s.Budget != 1 || s.InUse != 2 || s.Idle != 0 || w.server.Open() != 2 {
			t.Errorf("at once: %+v", s)
		}
		waiting := start(func() error { return w.run(t, "t04", "select 1") })
		mustBe(t, <-running, nil)
		synctest.Wait()
		if s := w.stat(); s.InUse != 1 || s.Waiting != 1 {
			t.Errorf("after the statement: %+v", s)
		}
		give()
		mustBe(t, <-waiting, nil)
		if n := w.seen.count("closed shrunk"); n != 3 {
			t.Errorf("observed %v", w.seen.counts)
		}
		w.endWithin(t, 4)
	})
}

func TestAGreaterBudgetServesWhoWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, nil)
		_, give := w.hold(t, "t00")
		first := start(func() error { return w.run(t, "t01", "select 1") })
		second := start(func() error { return w.run(t, "t02", "select 1") })
		if err := w.SetCluster("main", registry.Cluster{Budget: 2}); err != nil {
			t.Error(err)
		}
		mustBe(t, <-first, nil)
		mustBe(t, <-second, nil)
		give()
		w.endWithin(t, 2)
	})
}

func TestSettingsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 10, nil)
		for _, c := range []registry.Cluster{{Budget: -1}, {Budget: 3, Spares: 3}, {Queue: -1}, {Dials: 100_000}} {
			if err := w.SetCluster("main", c); err == nil {
				t.Errorf("%+v was taken", c)
			}
		}
		mustBe(t, w.SetCluster("nowhere", registry.Cluster{Budget: 1}), pools.ErrRecord)
		for _, l := range []registry.Limits{{MaxConns: -1}, {Weight: 1001}, {Queue: -1}, {GuaranteedConns: -1}} {
			mustBe(t, w.SetLimits(id("t00"), l), pools.ErrRecord)
		}
		if s := w.stat(); s.Budget != 10 {
			t.Errorf("%+v", s)
		}
		w.endWithin(t, 10)
	})
}

func TestSessionsAreCalledByAnOpaqueNameOfTheTenantThatHasThemNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, nil)
		look := w.watch()
		form := regexp.MustCompile(`^poolkeeper:[0-9a-f]{16}$`)
		var seen []string
		for _, name := range []string{"t00", "t01", "t00"} {
			if err := w.run(t, name, "look"); err != nil {
				t.Error(err)
			}
			app := look().app
			if !form.MatchString(app) || strings.Contains(app, name) {
				t.Errorf("%s's session is called %q", name, app)
			}
			if got, ok := w.TenantOf(app); !ok || got != id(name) {
				t.Errorf("%q is said to be %v's", app, got)
			}
			if at := slices.IndexFunc(w.Stats(), func(s pools.Stat) bool { return s.ApplicationName == app }); at < 0 || w.Stats()[at].Tenant != id(name) {
				t.Errorf("no pool calls itself %q", app)
			}
			seen = append(seen, app)
		}
		if seen[0] == seen[1] || seen[0] != seen[2] {
			t.Errorf("the names are %q", seen)
		}
		if _, ok := w.TenantOf("poolkeeper:0000000000000000"); ok {
			t.Error("a name that is nobody's is somebody's")
		}
		w.endWithin(t, 1)
	})
}

func TestACloseWithEverythingInUseLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newSpareWorld(t, 6, 1, nil)
		w.edit("t03", func(t *registry.Tenant) { t.Login, t.SharedLogin = "t03", false }) // has no use for the spare
		w.server.Script("hang", poolstest.Hang)
		w.server.OnEnd(func(*poolstest.Session) { time.Sleep(100 * time.Millisecond) })
		w.hold(t, "t00")
		w.use(t, "t01")
		hanging := start(func() error { return w.run(t, "t02", "hang") })
		w.server.OnStart(func(*poolstest.Session) error { time.Sleep(time.Minute); return nil })
		opening := start(func() error { return w.run(t, "t03", "hang") })
		w.cutAndEnd(t)
		if <-hanging == nil || <-opening == nil {
			t.Error("a statement outlived Close")
		}
		if s := w.stat(); s.Opening != 0 || s.Closing != 0 || s.Spares != 0 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Minute) // the server's own
	})
}

func TestErrandsAreInTheBudgetAndComeFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, nil)
		_, give := w.hold(t, "t00")
		order := make(chan string, 2)
		tenant := start(func() error {
			err := w.run(t, "t01", "select 1")
			order <- "tenant"
			return err
		})
		errand := start(func() error {
			c, err := w.Dialer("main")(t.Context(), "tcp", "127.0.0.1:5432")
			order <- "errand"
			if err == nil {
				time.Sleep(time.Second)
				err = c.Close()
			}
			return err
		})
		give()
		mustBe(t, <-errand, nil)
		mustBe(t, <-tenant, nil)
		if first := <-order; first != "errand" {
			t.Errorf("the %s was first", first)
		}
		w.endWithin(t, 1)
	})
}

func TestAServerThatNeverEndsACutSessionDoesNotKeepCloseFromReturning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 2, nil)
		forever := make(chan struct{})
		w.server.OnEnd(func(*poolstest.Session) { <-forever })
		w.server.Script("deaf", func(*poolstest.Session) error { <-forever; return nil })
		l := w.lease(t, "t00")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		deaf := start(func() error { _, err := l.Exec(ctx, "deaf"); return err })
		time.Sleep(1500 * time.Millisecond) // its cancel is under way
		limit, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		began := time.Now()
		if err := w.Close(limit); err == nil || <-deaf == nil {
			t.Error("nothing was cut")
		}
		if took := time.Since(began); took > 10*time.Second || w.stat().InUse != 0 {
			t.Errorf("Close took %v, %+v", took, w.stat())
		}
		close(forever)
	})
}
