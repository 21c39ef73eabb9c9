package budget_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

func TestWhatRestsIsLeftAloneWhileAPermissionIsFree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	idle := w.open(shared("idle")).rest(1)
	w.pass(keepWarm)
	w.open(shared("a")).ask(1).mustHave(nil)
	if idle[0].Rested() == 0 || !idle[0].Take() {
		t.Error("the holder cannot take its slot back")
	}
	w.inUse(2)
}

func TestTheSlotThatHasRestedLongestIsTaken(t *testing.T) {
	t.Parallel()
	for _, kind := range []func(string) budget.Terms{shared, private} {
		w := newWorld(t, 3)
		warm, cold := w.open(kind("warm")), w.open(kind("cold"))
		slots := warm.rest(1)
		last := cold.use(2)
		w.pass(time.Minute)
		slots[0].Take()
		cold.settle(last[1])
		w.pass(time.Minute)
		cold.settle(last[0])
		warm.settle(slots[0])
		w.pass(keepWarm)
		a := w.open(kind("a")).ask(1)
		if len(a.got) == 1 {
			a.mustHave(last[1])
		} else {
			cold.mustLose(budget.Stolen, last[1])
		}
	}
}

func TestASlotChangesHandsWithItsConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	idle := w.open(shared("idle"))
	slots := idle.rest(1)
	w.pass(keepWarm)
	a := w.open(shared("a")).ask(1)
	a.mustHave(slots[0])
	if a.got[0].Value != "connection 0" {
		t.Errorf("the connection is %v", a.got[0].Value)
	}
	if slots[0].Take() {
		t.Error("the holder took a slot back that was given away")
	}
	if s := w.budget.Stat(); s.Opening != 1 {
		t.Errorf("%d slots are being opened after that, want 1", s.Opening)
	}
	if held, _, _ := idle.account.Numbers(); held != 0 {
		t.Errorf("it still holds %d", held)
	}
	idle.mustLose("")
	w.inUse(1)
}

func TestASlotOfAnotherKindIsClosedAndItsPermissionGivenWhenItIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	idle := w.open(private("idle"))
	slots := idle.rest(1)
	w.pass(keepWarm)
	a := w.open(shared("a")).ask(1)
	idle.mustLose(budget.Stolen, slots[0])
	a.mustHave()
	if slots[0].Take() {
		t.Error("the holder took a slot back that is being closed")
	}
	w.free(slots[0])
	a.mustHave(nil)
}

func TestASpareIsTakenBeforeAnybodysSlotEvenWhileAPermissionIsFree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	w.open(shared("idle")).rest(1)
	w.pass(keepWarm)
	spare := w.spares(1)
	spare.settle(spare.got[0])
	w.open(shared("a")).ask(1).mustHave(spare.got[0])
	w.inUse(3) // another spare is on its way
	if len(spare.got) != 2 {
		t.Error("the spare was not replaced")
	}
	spare.account.Opened(0, 0)
	spare.settle(spare.got[1])
	w.open(shared("b")).ask(1).mustHave(spare.got[1])
}

// spares opens an account of spares that are connected, and not at rest yet.
func (w *world) spares(n int) *holder {
	terms := shared("spares")
	terms.Takes, terms.Spare, terms.Max = nil, true, n
	h := w.open(terms)
	for range h.got {
		h.account.Opened(0, 0)
	}
	w.run()
	return h
}

func TestASpareOfNoUseIsClosedBeforeAnybodysSlot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.open(private("idle")).rest(1)
	w.pass(keepWarm)
	spare := w.spares(1)
	spare.settle(spare.got[0])
	w.open(private("a")).ask(1)
	spare.mustLose(budget.Stolen, spare.got[0])
}

func TestAGuaranteedSlotIsNeverTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	terms := shared("guaranteed")
	terms.Guaranteed = 1
	slots := w.open(terms).rest(2)
	w.pass(keepWarm)
	a := w.open(shared("a")).ask(2)
	if len(a.got) != 1 || slots[0].Take() == slots[1].Take() {
		t.Errorf("%d of two slots were taken, want one", len(a.got))
	}
}

func TestASlotUsedAMomentAgoIsSparedUntilWhoWaitsHasWaitedAsLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	idle, again := w.open(shared("idle")), w.open(shared("again"))
	slots, busy := idle.rest(1), again.use(1)
	a := w.open(shared("a")).ask(1)
	a.mustHave()
	w.pass(stealAfter - 1)
	a.mustHave()
	w.pass(1)
	a.mustHave(slots[0])
	b := w.open(shared("b")).ask(1)
	w.pass(stealAfter)
	again.settle(busy[0]) // used a moment ago, but b has waited
	b.mustHave(busy[0])
}

func TestWhoHoldsMoreThanTheOtherWouldBeLeftWithMayOnlyHaveWhatHasRestedLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	idle, a := w.open(shared("idle")), w.open(shared("a"))
	slots := idle.rest(1)
	a.use(1)
	a.ask(1)
	w.pass(keepWarm - 1)
	a.mustHave(nil)
	w.pass(1)
	a.mustHave(nil, slots[0])
}

func TestWhoHoldsNothingNeverWaitsForASlotToGoCold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	heavy := shared("heavy")
	heavy.Weight = 100
	slots := w.open(heavy).rest(1)
	a := w.open(shared("a")).ask(1)
	w.pass(stealAfter)
	a.mustHave(slots[0])
}

func TestWhoIsBelowTheGuaranteeDoesNotWaitForASlotToGoCold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	terms := shared("guaranteed")
	terms.Guaranteed = 2
	g := w.open(terms)
	slots := w.open(shared("idle")).rest(1)
	g.use(1)
	g.ask(1)
	w.pass(stealAfter)
	g.mustHave(nil, slots[0])
}

func TestASlotThatServedTheTakerBeforeIsPreferred(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rested  time.Duration // of the one that served the taker, when the other has rested for 100 hours
		prefers bool
	}{{time.Hour, true}, {time.Hour - 1, false}} {
		w := newWorld(t, 2)
		a, b := w.open(shared("a")), w.open(shared("b"))
		known, filler := a.rest(1)[0], w.open(shared("filler")).use(1)[0]
		w.pass(stealAfter)
		b.ask(1).mustHave(known)
		b.account.Opened(0, 0)
		w.free(filler)
		other := b.use(1)[0]
		b.settle(other)
		w.pass(100*time.Hour - c.rested)
		b.settle(known)
		w.pass(c.rested)
		if a.ask(1); (a.got[1] == known) != c.prefers {
			t.Errorf("rested for %v: preferred %v", c.rested, !c.prefers)
		}
	}
}

func TestALargeBudgetIsSearchedUntilSomethingIsFound(t *testing.T) {
	t.Parallel()
	const size = 2000
	w := newWorld(t, size)
	terms := shared("busy")
	terms.Max = size
	busy := w.open(terms)
	slots := busy.use(size)
	for i := 0; i < size; i += 199 {
		busy.settle(slots[i])
		w.pass(stealAfter)
		w.open(shared("a")).ask(1).mustHave(slots[i])
	}
}

func TestWhoWaitsForASlotToRestLongEnoughIsServedByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := realWorld(t, 2)
		idle, a := w.open(shared("idle")), w.open(shared("a"))
		slots := idle.rest(1)
		a.use(1)
		a.ask(1)
		time.Sleep(keepWarm)
		synctest.Wait()
		w.run()
		a.mustHave(nil) // a timer may be early
		time.Sleep(time.Millisecond)
		synctest.Wait()
		w.run()
		a.mustHave(nil, slots[0])
	})
}

func TestNothingTicksAfterClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := realWorld(t, 2)
		a := w.open(shared("a"))
		w.open(shared("idle")).rest(1)
		a.use(1)
		a.ask(1)
		w.budget.Close()
		a.ask(2) // searches again
		time.Sleep(2 * keepWarm)
		synctest.Wait()
		w.run()
		a.mustHave(nil)
	})
}

// realWorld is a world whose clock is the bubble's.
func realWorld(t *testing.T, size int) *world {
	w := &world{t: t}
	began := time.Now()
	w.budget = budget.New(budget.Config{
		Size: size, Queue: 10, StealAfter: stealAfter, KeepWarm: keepWarm,
		Start: w.start,
		Now:   func() int64 { return int64(time.Since(began)) + 1 },
	})
	t.Cleanup(w.budget.Close)
	return w
}

func TestWhatWouldHaveToBeClosedServesForAWhileFirst(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, 1, func(c *budget.Config) { c.Tenure = time.Hour })
	own := shared("own")
	own.Gives, own.Takes = "", nil
	slot := w.open(own).rest(1)[0]
	w.pass(keepWarm)
	other := own
	other.Name = "other"
	w.open(other).ask(1)
	w.inUse(1)
	if slot.Rested() == 0 {
		t.Error("it was closed before its time")
	}
	w.pass(time.Hour)
	if slot.Rested() != 0 {
		t.Error("it was kept for longer than its time")
	}
}
