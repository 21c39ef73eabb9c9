package pools_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
)

// Invariant 3: never closed under a holder.

func TestARetiredPoolIsClosedByItsLastLeaseNotUnderIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		held := w.lease(t, "t01")
		if _, err := held.Exec(t.Context(), "select 1"); err != nil {
			t.Fatal(err)
		}
		if !w.Evict(id("t01")) {
			t.Fatal("there was no pool to evict")
		}
		synctest.Wait()
		if _, err := held.Exec(t.Context(), "select 2"); err != nil {
			t.Errorf("the holder's pool was closed under it: %v", err)
		}
		fresh := w.lease(t, "t01")
		if len(w.Stats()) != 2 {
			t.Errorf("pools are %+v, want a new one beside the draining one", w.Stats())
		}
		fresh.Release()
		held.Release()
		synctest.Wait()
		if len(w.Stats()) != 1 || w.server.Open() != 0 {
			t.Errorf("after the last release: %+v, %d connections", w.Stats(), w.server.Open())
		}
	})
}

func TestTheDrainDeadlineCutsWhoeverHoldsOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		w.server.Script("hang", poolstest.Hang)
		l := w.lease(t, "t01")
		defer l.Release()
		done := make(chan error, 1)
		go func() {
			_, err := l.Exec(t.Context(), "hang")
			done <- err
		}()
		synctest.Wait()
		w.Evict(id("t01"))
		began := time.Now()
		if err := <-done; err == nil {
			t.Error("the statement outlived the drain deadline")
		}
		if took := time.Since(began); took != pools.Defaults().DrainTimeout {
			t.Errorf("it was cut after %v", took)
		}
		_, err := l.Exec(t.Context(), "select 1")
		mustBe(t, err, pools.ErrDrained)
		synctest.Wait()
		if len(w.Stats()) != 0 || w.seen.count("closed cut") != 1 {
			t.Errorf("pools %+v, observed %v", w.Stats(), w.seen.counts)
		}
	})
}

// Invariant 10: close is complete.

func TestCloseWaitsForLeasesUntilItsDeadlineThenCutsThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		w.server.Script("hang", poolstest.Hang)
		patient, stubborn := w.lease(t, "t01"), w.lease(t, "t02")
		holder, err := stubborn.Acquire(t.Context()) // held, idle, never released in time
		if err != nil {
			t.Fatal(err)
		}
		cut := make(chan error, 1)
		go func() {
			_, err := stubborn.Exec(t.Context(), "hang")
			cut <- err
		}()
		go func() {
			time.Sleep(time.Second)
			patient.Release()
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err = w.Close(ctx)
		if err == nil || !strings.Contains(err.Error(), "1 leases cut") {
			t.Errorf("close: %v", err)
		}
		if err := <-cut; err == nil {
			t.Error("the statement outlived Close")
		}
		if w.server.Open() != 0 {
			t.Errorf("%d sockets are left", w.server.Open())
		}
		holder.Release()
		stubborn.Release()
		_, err = w.Lease(t.Context(), id("t03"))
		mustBe(t, err, pools.ErrClosed)
	})
}

func TestCloseEndsACreationThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		w.records.hold = make(chan struct{})
		refused := make(chan error, 1)
		go func() {
			_, err := w.Lease(t.Context(), id("t01"))
			refused <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := <-refused; err == nil {
			t.Error("a lease was given by a closed keeper")
		}
	})
}

func TestAPoolThatIsBornAfterCloseBeganIsNotLent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		hold := make(chan struct{})
		w.records.hold = hold
		refused := make(chan error, 1)
		go func() {
			_, err := w.Lease(t.Context(), id("t01"))
			refused <- err
		}()
		synctest.Wait()
		closed := make(chan struct{})
		go func() {
			w.end(t)
			close(closed)
		}()
		synctest.Wait()
		close(hold)
		mustBe(t, <-refused, pools.ErrClosed)
		<-closed
	})
}
