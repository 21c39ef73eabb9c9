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

func TestWhatIsReservedIsInTheBudgetUntilItIsReleased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, nil)
		w.use(t, "t00") // rests, and goes for it
		release, err := w.Reserve(t.Context(), "main")
		mustBe(t, err, nil)
		synctest.Wait()
		if s := w.stat(); s.InUse != 1 || w.server.Open() != 0 {
			t.Errorf("%+v, %d sessions", s, w.server.Open())
		}
		mustBe(t, w.run(t, "t00", "select 1"), pools.ErrBudget)
		release()
		release()
		w.use(t, "t00")
		if s := w.stat(); s.InUse != 1 {
			t.Errorf("%+v", s)
		}
		w.endWithin(t, 1)
	})
}

func TestAReservationIsRefusedAsAnErrandIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, nil)
		_, err := w.Reserve(t.Context(), "nowhere")
		mustBe(t, err, pools.ErrRecord)
		_, give := w.hold(t, "t00")
		began := time.Now()
		_, err = w.Reserve(t.Context(), "main")
		mustBe(t, err, pools.ErrBudget)
		if took := time.Since(began); took != pools.Defaults().QueueTimeout {
			t.Errorf("refused after %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		waiting := start(func() error { _, err := w.Reserve(ctx, "main"); return err })
		cancel()
		mustBe(t, <-waiting, context.Canceled)
		give()
		w.endWithin(t, 1)
		_, err = w.Reserve(t.Context(), "main")
		mustBe(t, err, pools.ErrClosed)
	})
}

func TestAWarmedTenantHasAConnectionAndNothingHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		mustBe(t, w.Warm(t.Context(), id("t00")), nil)
		if s := w.Stats(); len(s) != 1 || s[0].Idle != 1 || s[0].Leases != 0 || s[0].Acquired != 0 {
			t.Errorf("%+v", s)
		}
		dials := w.server.Dials()
		w.use(t, "t00")
		if n := w.server.Dials() - dials; n != 0 {
			t.Errorf("%d dials after it was warm", n)
		}
		mustBe(t, w.Warm(t.Context(), id("nobody")), registry.ErrUnknown)
		w.server.OnStart(func(*poolstest.Session) error { return poolstest.Fail("3D000", "gone") })
		mustBe(t, w.Warm(t.Context(), id("t01")), pools.ErrDatabase)
		if n := len(w.Stats()); n != 2 || w.Stats()[0].Leases+w.Stats()[1].Leases != 0 {
			t.Errorf("%+v", w.Stats())
		}
		w.endWithin(t, 200)
	})
}
