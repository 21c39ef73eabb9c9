package pools_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// A tenant's data is made ready behind the same flight as its pool.

// readying is a Prepare that works as a test says.
type readying struct {
	calls chan *registry.Tenant // one for each call
	end   chan error            // ends one
	ended chan error            // by its context
}

func newReadying() *readying {
	return &readying{calls: make(chan *registry.Tenant, 100), end: make(chan error), ended: make(chan error, 100)}
}

func (r *readying) prepare(ctx context.Context, t *registry.Tenant) error {
	r.calls <- t
	select {
	case err := <-r.end:
		return err
	case <-ctx.Done():
		r.ended <- context.Cause(ctx)
		return ctx.Err()
	}
}

func newReadyingWorld(t *testing.T) (*world, *readying) {
	t.Helper()
	r := newReadying()
	return newWorld(t, 15, func(c *pools.Config) { c.Prepare = r.prepare }), r
}

func TestATenantIsPreparedOnceForAllWhoWaitBeforeAnybodyGetsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, r := newReadyingWorld(t)
		var callers []<-chan error
		for range 50 {
			callers = append(callers, start(func() error { return w.run(t, "t00", "select 1") }))
		}
		time.Sleep(time.Minute) // longer than OpenTimeout
		if n, dials := len(r.calls), w.server.Dials(); n != 1 || dials != 0 {
			t.Errorf("%d calls of Prepare, %d dials meanwhile", n, dials)
		}
		r.end <- nil
		for _, one := range callers {
			mustBe(t, <-one, nil)
		}
		w.use(t, "t00")
		if n := len(r.calls); n != 1 {
			t.Errorf("%d calls of Prepare", n)
		}
		w.endWithin(t, 200)
	})
}

func TestWhoLeavesWhileATenantIsPreparedIsToldSoAndTheWorkGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, r := newReadyingWorld(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := w.Lease(ctx, id("t00"))
		mustBe(t, err, pools.ErrPreparing)
		mustBe(t, err, context.DeadlineExceeded)
		next := start(func() error { return w.run(t, "t00", "select 1") })
		r.end <- nil
		mustBe(t, <-next, nil)
		if n := len(r.calls); n != 1 {
			t.Errorf("%d calls of Prepare", n)
		}
		w.endWithin(t, 200)
	})
}

func TestAPreparationThatFailsIsTriedAgainAfterTheBackOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, r := newReadyingWorld(t)
		broken := errors.New("relation exists")
		failing := start(func() error { return w.run(t, "t00", "select 1") })
		r.end <- broken
		err := <-failing
		mustBe(t, err, pools.ErrPrepare)
		mustBe(t, err, broken)
		mustBe(t, w.run(t, "t00", "select 1"), pools.ErrPrepare) // at once
		if n := len(r.calls); n != 1 || len(w.Stats()) != 0 || w.server.Dials() != 0 {
			t.Errorf("%d calls of Prepare, %+v", n, w.Stats())
		}
		if n := w.stat().BreakersOpen; n != 0 {
			t.Errorf("%d databases are said to be down", n)
		}
		other := start(func() error { return w.run(t, "t01", "select 1") })
		r.end <- nil
		mustBe(t, <-other, nil)
		time.Sleep(time.Second)
		again := start(func() error { return w.run(t, "t00", "select 1") })
		r.end <- nil
		mustBe(t, <-again, nil)
		w.endWithin(t, 200)
	})
}

func TestAPreparationHasATimeLimitOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, r := newReadyingWorld(t)
		began := time.Now()
		mustBe(t, w.run(t, "t00", "select 1"), pools.ErrPrepare)
		if took := time.Since(began); took != pools.Defaults().PrepareTimeout {
			t.Errorf("it ended after %v", took)
		}
		mustBe(t, <-r.ended, context.DeadlineExceeded)
		w.endWithin(t, 200)
	})
}

func TestAChangeDuringAPreparationHasItStartOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, r := newReadyingWorld(t)
		for _, fails := range []error{nil, errors.New("the old record's fault")} {
			caller := start(func() error { return w.run(t, "t00", "select 1") })
			w.edit("t00", func(t *registry.Tenant) { t.Schema = "moved" })
			w.Apply(registry.Change{ID: id("t00"), Kind: registry.Changed})
			r.end <- fails
			r.end <- nil
			mustBe(t, <-caller, nil)
			if first, second := <-r.calls, <-r.calls; second.Version != first.Version+1 {
				t.Errorf("versions %d, then %d", first.Version, second.Version)
			}
			w.Evict(id("t00"))
		}
		w.endWithin(t, 200)
	})
}

func TestASuspensionEndsAPreparation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, r := newReadyingWorld(t)
		caller := start(func() error { return w.run(t, "t00", "select 1") })
		w.edit("t00", func(t *registry.Tenant) { t.Status = registry.StatusSuspended })
		began := time.Now()
		w.Apply(registry.Change{ID: id("t00"), Kind: registry.Suspended})
		mustBe(t, <-caller, registry.ErrInactive)
		if took := time.Since(began); took != 0 || len(r.ended) != 1 {
			t.Errorf("refused after %v", took)
		}
		w.edit("t00", func(t *registry.Tenant) { t.Status = registry.StatusActive })
		resumed := start(func() error { return w.run(t, "t00", "select 1") })
		r.end <- nil
		mustBe(t, <-resumed, nil) // no back-off from before
		w.endWithin(t, 200)
	})
}

func TestCloseEndsAPreparation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, r := newReadyingWorld(t)
		caller := start(func() error { return w.run(t, "t00", "select 1") })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Close(ctx); err != nil {
			t.Error(err)
		}
		mustBe(t, <-caller, pools.ErrClosed)
		if len(r.ended) != 1 {
			t.Error("it goes on")
		}
	})
}

// What is not known is no failure of the tenant's: it is told as what it is,
// and asked again soon.
func TestAPreparationThatCannotAskIsToldAsThat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, r := newReadyingWorld(t)
		asking := start(func() error { return w.run(t, "t00", "select 1") })
		r.end <- fmt.Errorf("asking: %w", registry.ErrUnavailable)
		for _, err := range []error{<-asking, w.run(t, "t00", "select 1")} { // the second at once
			if !errors.Is(err, registry.ErrUnavailable) || errors.Is(err, pools.ErrPrepare) {
				t.Errorf("got %v", err)
			}
		}
		time.Sleep(pools.Defaults().BackoffMin)
		again := start(func() error { return w.run(t, "t00", "select 1") })
		r.end <- nil
		mustBe(t, <-again, nil)
		if n := len(r.calls); n != 2 {
			t.Errorf("%d calls of Prepare", n)
		}
		w.endWithin(t, 200)
	})
}
