package budget_test

import (
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

// A slot that comes to rest just after it was looked at must not be missed:
// who brings it to rest sees that somebody waits before the search begins.
func TestARestDuringTheSearchIsNotLost(t *testing.T) {
	t.Parallel()
	var hook func()
	w := &world{t: t, now: int64(time.Hour)}
	w.budget = budget.New(budget.Config{
		Size: 1, Queue: 10, Start: w.start,
		Now: func() int64 {
			if run := hook; run != nil {
				hook = nil
				run()
			}
			return w.now
		},
	})
	t.Cleanup(w.budget.Close)
	s := w.open(shared("busy")).use(1)[0]
	settled := make(chan struct{})
	hook = func() {
		go func() {
			defer close(settled)
			s.Settle()
		}()
		select {
		case <-settled:
			t.Error("a slot comes to rest while somebody waits, and nobody looks at it")
		case <-time.After(20 * time.Millisecond): // it waits for the search to end
		}
	}
	w.open(shared("a")).ask(1)
	<-settled
}

// The holder and the budget may both reach for a slot that rests: one has it.
func TestASlotThatItsHolderTakesDuringTheSearchIsNotTakenFromIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	idle := w.open(shared("idle"))
	s := idle.rest(1)[0]
	w.pass(keepWarm)
	a := w.open(shared("a"))
	if a.account.TakesAfter(func() { s.Take() }) {
		t.Error("a slot in use was taken")
	}
	idle.settle(s)
	w.pass(keepWarm)
	if a.account.TakesAfter(func() { s.Take(); s.Rest(w.now) }) {
		t.Error("a slot was taken that has rested for long a moment ago, and was used since")
	}
	w.pass(keepWarm)
	if !a.account.TakesAfter(func() {}) || s.Take() {
		t.Error("a slot that rests was not taken")
	}
}
