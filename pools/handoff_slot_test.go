package pools_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestAServerThatRestartsDuringAHandoffCostsNoSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 2, nil)
		w.use(t, "t00")
		w.hold(t, "t09")
		w.server.Script("DISCARD ALL", func(s *poolstest.Session) error { w.server.Stop(); return s.Discard() })
		err := w.run(t, "t01", "select 1")
		mustBe(t, err, pools.ErrDatabase)
		synctest.Wait()
		if n := w.stat().InUse; n != 1 { // the one that t09 holds, and does not know dead
			t.Errorf("%d of the budget are in use", n)
		}
		w.server.Script("DISCARD ALL", nil)
		w.server.Resume()
		time.Sleep(10 * time.Second)
		w.use(t, "t01", "t00")
		w.cutAndEnd(t)
	})
}

// cutAndEnd closes a keeper whose leases were not given back.
func (w *world) cutAndEnd(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := w.Close(ctx); err == nil {
		t.Error("no lease was cut")
	}
	synctest.Wait()
	if n := w.stat().InUse; n != 0 || w.server.Open() != 0 {
		t.Errorf("%d of the budget are in use, %d sessions open", n, w.server.Open())
	}
}

func TestAPinThatFailsAfterAHandoffCostsNoSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, nil)
		w.use(t, "t00")
		w.server.Script(`SET search_path TO "t01"`, func(*poolstest.Session) error { return poolstest.Fail("3F000", "no schema") })
		mustBe(t, w.run(t, "t01", "select 1"), pools.ErrPin)
		synctest.Wait()
		if s := w.stat(); s.InUse != 0 || w.server.Open() != 0 {
			t.Errorf("%+v, %d sessions open", s, w.server.Open())
		}
		w.use(t, "t00", "t02")
		w.endWithin(t, 1)
	})
}

func TestANameThatCannotBeLookedUpCostsNoSlot(t *testing.T) {
	t.Parallel()
	nowhere := strings.Repeat("x", 64) // longer than a name in the DNS can be: nobody is asked
	// What the resolver keeps for the whole program must not be a bubble's.
	if _, err := net.DefaultResolver.LookupHost(t.Context(), nowhere); err == nil {
		t.Error("there is such a name")
	}
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, nil)
		w.edit("t01", func(t *registry.Tenant) {
			t.DSN = registry.NewSecret("postgres://t01:pw@" + nowhere + ":5432/app?sslmode=disable")
		})
		w.use(t, "t00")
		dials := w.server.Dials()
		mustBe(t, w.run(t, "t01", "select 1"), pools.ErrDatabase)
		synctest.Wait()
		if s := w.stat(); s.InUse != 0 || w.server.Dials() != dials {
			t.Errorf("%+v, %d dials", s, w.server.Dials()-dials)
		}
		w.use(t, "t00", "t02")
		w.endWithin(t, 1)
	})
}

func TestAStatementThatRunsWhileItsTenantIsEvictedIsFinishedAndItsSlotComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, nil)
		w.server.Script("work", func(*poolstest.Session) error { time.Sleep(2 * time.Second); return nil })
		running := start(func() error { return w.run(t, "t00", "work") })
		if !w.Evict(id("t00")) {
			t.Error("there was no pool to evict")
		}
		again := start(func() error { return w.run(t, "t00", "select 1") })
		other := start(func() error { return w.run(t, "t01", "select 1") })
		mustBe(t, <-running, nil)
		mustBe(t, <-again, nil)
		mustBe(t, <-other, nil)
		w.endWithin(t, 1)
	})
}

func TestADialThatIsCutOffAtTheDrainDeadlineCostsNoSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, func(c *pools.Config) { c.ConnectTimeout, c.DrainTimeout = time.Hour, time.Second })
		release := make(chan struct{})
		w.server.OnStart(func(*poolstest.Session) error { <-release; return nil })
		opening := start(func() error { return w.run(t, "t00", "select 1") })
		w.Evict(id("t00"))
		mustBe(t, <-opening, pools.ErrDrained)
		close(release)
		synctest.Wait()
		if s := w.stat(); s.InUse != 0 {
			t.Errorf("%+v", s)
		}
		w.server.OnStart(nil)
		w.use(t, "t00", "t01")
		w.endWithin(t, 1)
	})
}
