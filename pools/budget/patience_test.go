package budget_test

import (
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

// Slots that are freed while they change hands, and those that are closed for
// longer than anybody has patience.

func TestASlotThatWasTakenAndFreedIsTheTakersToEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	a, b := w.open(shared("a")), w.open(shared("b"))
	slots := a.rest(2)
	w.pass(time.Hour)
	b.ask(1)
	b.mustHave(slots[0])
	for _, s := range slots { // both sockets are cut
		w.free(s)
	}
	if slots[0].Freed() || !slots[1].Freed() {
		t.Error("the holder is to end what it still had, and not what was taken")
	}
}

func TestASlotWhoseSocketWasCutIsNotYielded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	a, b := w.open(shared("a")), w.open(shared("b"))
	busy := a.use(1)[0]
	other := a.ask(1)
	w.budget.Resize(0, 1000)
	b.ask(1)
	w.free(busy)
	if other.yield(busy, w.now) {
		t.Error("a slot that is gone was given away")
	}
}

func newImpatientWorld(t *testing.T, size int, patience time.Duration) *world {
	t.Helper()
	w := &world{t: t, now: int64(time.Hour)}
	w.budget = budget.New(budget.Config{
		Size: size, Queue: 1000, StealAfter: stealAfter, KeepWarm: keepWarm, Patience: patience,
		Start: w.start,
		Now:   func() int64 { return w.now },
	})
	t.Cleanup(w.budget.Close)
	return w
}

func TestWhoWaitsForASlotThatIsNotFreedTakesAnotherAfterAWhile(t *testing.T) {
	t.Parallel()
	w := newImpatientWorld(t, 2, time.Hour)
	a, b := w.open(private("a")), w.open(private("b"))
	slots := a.rest(2)
	w.pass(30 * time.Minute)
	b.ask(1)
	a.mustLose(budget.Stolen, slots[0])
	w.pass(59 * time.Minute)
	a.mustLose(budget.Stolen, slots[0])
	w.pass(time.Minute)
	a.mustLose(budget.Stolen, slots...)
	if s := w.budget.Stat(); s.Closing != 2 || s.InUse != 2 || s.Waiting != 1 {
		t.Errorf("%+v", s)
	}
	w.free(slots[1])
	b.mustHave(nil)
	w.free(slots[0])
	if s := w.budget.Stat(); s.Closing != 0 || s.InUse != 1 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
}

func TestASlotThatComesBackGoesToWhoWaitsForOneThatIsNotFreed(t *testing.T) {
	t.Parallel()
	w := newImpatientWorld(t, 2, time.Hour)
	a, b := w.open(private("a")), w.open(private("b"))
	stuck, busy := a.rest(1)[0], a.use(1)[0]
	w.pass(30 * time.Minute)
	b.ask(1)
	a.mustLose(budget.Stolen, stuck)
	w.pass(2 * time.Hour)
	a.settle(busy)
	w.pass(30 * time.Minute)
	a.mustLose(budget.Stolen, stuck, busy)
	w.free(stuck) // what comes first is taken
	b.mustHave(nil)
}
