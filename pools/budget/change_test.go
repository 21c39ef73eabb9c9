package budget_test

import (
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

func TestARestingSlotIsTakenBackOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	a := w.open(shared("a"))
	s := a.rest(1)[0]
	if s.Rested() != w.now {
		t.Errorf("it rests since %d, want %d", s.Rested(), w.now)
	}
	if !s.Take() || s.Take() {
		t.Error("a resting slot is taken back once")
	}
	if s.Rested() != 0 {
		t.Error("a slot in use rests")
	}
}

func TestASlotIsFreedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	s := w.open(shared("a")).use(2)
	if s[0].Freed() {
		t.Error("a slot in use is freed")
	}
	w.free(s[0])
	w.inUse(1)
	if !s[0].Freed() || s[0].Take() {
		t.Error("a slot that was freed is gone")
	}
	defer func() {
		if recover() == nil {
			t.Error("a slot was freed twice")
		}
		w.inUse(1) // and the budget goes on
	}()
	w.free(s[0])
}

func TestAFailureKeepsTheSlotUntilItIsFreed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	a := w.open(private("a")).ask(1)
	w.pass(time.Minute)
	b := w.open(private("b")).ask(1)
	a.account.Failed(0, 0)
	w.run()
	b.mustHave()
	w.free(a.got[0])
	b.mustHave(nil)
	if held, opening, _ := a.account.Numbers(); held != 0 || opening != 0 {
		t.Errorf("held %d, opening %d after the failure", held, opening)
	}
}

func TestASmallerBudgetClosesWhatRestsColdestFirstWhateverIsGuaranteed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	terms := shared("guaranteed")
	terms.Guaranteed = 2
	g, a := w.open(terms), w.open(shared("a"))
	cold := g.rest(1)[0]
	w.pass(time.Minute)
	warm := a.rest(1)[0]
	busy := a.use(1)[0]
	spare := w.spares(1)
	spare.settle(spare.got[0])
	w.budget.Resize(2, 10)
	w.run()
	spare.mustLose(budget.Shrunk, spare.got[0])
	g.mustLose(budget.Shrunk, cold)
	if s := w.budget.Stat(); s.Size != 2 || s.InUse != 4 || s.Closing != 2 || s.Idle != 1 {
		t.Errorf("%+v", s)
	}
	w.budget.Resize(0, 10)
	w.run()
	a.mustLose(budget.Shrunk, warm)
	a.settle(busy) // when it comes to rest
	a.mustLose(budget.Shrunk, warm, busy)
}

func TestASmallerBudgetClosesWhatComesBackThoughTheHoldersCallersWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	a := w.open(shared("a"))
	busy := a.use(2)
	w.budget.Resize(1, 10)
	a.ask(1)
	if !a.yield(busy[0], w.now) {
		t.Fatal("it is kept")
	}
	a.mustLose(budget.Shrunk, busy[0])
	if a.yield(busy[1], w.now) {
		t.Error("and the last one too")
	}
	w.free(busy[0])
	a.mustHave(nil, nil)
}

func TestALargerBudgetServesWhoWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	a := w.open(shared("a")).ask(3)
	w.budget.Resize(3, 10)
	w.run()
	a.mustHave(nil, nil, nil)
}

func TestASmallerMaximumClosesWhatRestsAndWhatComesToRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	terms := shared("a")
	a, other := w.open(terms), w.open(shared("other"))
	other.rest(1)
	cold := a.rest(1)[0]
	busy := a.use(3)
	terms.Max = 2
	a.account.Adjust(terms)
	w.run()
	a.mustLose(budget.Shrunk, cold)
	if !a.account.Excess() {
		t.Error("three are more than two")
	}
	a.settle(busy[0])
	a.mustLose(budget.Shrunk, cold, busy[0])
	if a.account.Excess() {
		t.Error("two are not more than two")
	}
	terms.Max = 1
	a.account.Adjust(terms)
	if !a.yield(busy[1], w.now) {
		t.Error("it keeps what is beyond its maximum")
	}
	a.settle(busy[2])
	if !busy[2].Take() {
		t.Error("the last one is its own")
	}
	other.mustLose("")
}

func TestALargerMaximumIsUsedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	terms := shared("a")
	terms.Max = 1
	a := w.open(terms).ask(2)
	a.mustHave(nil)
	terms.Max = 2
	a.account.Adjust(terms)
	w.run()
	a.mustHave(nil, nil)
}

func TestWhatAnAccountCanTakeOverMayChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	spare := w.spares(1)
	a := w.open(private("a"))
	terms := private("a")
	terms.Takes = []string{"kind"}
	a.account.Adjust(terms)
	spare.settle(spare.got[0])
	a.ask(1).mustHave(spare.got[0])
}

func TestSparesAreFilledWithWhatNobodyWants(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	busy := w.open(private("busy")).use(3)
	waits := w.open(private("waits")).ask(1)
	spare := w.spares(2)
	spare.mustHave()
	w.free(busy[0])
	spare.mustHave()
	waits.mustHave(nil)
	waits.account.Opened(0, 0)
	w.free(busy[1])
	w.free(busy[2])
	spare.mustHave(nil, nil)
	w.free(waits.got[0])
	spare.mustHave(nil, nil)
	w.inUse(2)
}

func TestSparesThatCannotBeHadAreNotTriedAgainBeforeThePauseIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	terms := shared("spares")
	terms.Spare, terms.Max = true, 1
	spare := w.open(terms)
	spare.account.Pause(w.now + int64(time.Minute))
	spare.account.Failed(0, 0)
	w.free(spare.got[0])
	spare.mustHave(nil)
	w.pass(time.Minute - 1)
	spare.mustHave(nil)
	w.pass(1)
	spare.mustHave(nil, nil)
}

func TestFewerSparesAreKeptWhenFewerAreWanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	spare := w.spares(2)
	spare.settle(spare.got[0])
	spare.account.Adjust(budget.Terms{Weight: 1})
	w.run()
	spare.mustLose(budget.Shrunk, spare.got[0])
	spare.settle(spare.got[1])
	spare.mustLose(budget.Shrunk, spare.got[0], spare.got[1])
	w.free(spare.got[0])
	w.free(spare.got[1])
	w.inUse(0)
}

func TestNoSparesAreOpenedAfterTheirAccountIsClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	spare := w.spares(1)
	spare.account.Close()
	w.free(spare.got[0])
	spare.mustHave(nil)
	w.inUse(0)
}

func TestWhoLosesTheLastSlotAndReturnsAtOnceIsCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	a, b := w.open(shared("a")), w.open(shared("b"))
	s := a.rest(1)[0]
	w.pass(stealAfter)
	b.ask(1).mustHave(s)
	b.account.Opened(0, 0)
	a.ask(1)
	if b.yield(s, w.now+1); w.budget.Stat().ReopenedSoon != 1 {
		t.Errorf("%d came back soon, want 1", w.budget.Stat().ReopenedSoon)
	}
	a.account.Opened(0, 0)
	a.settle(s)
	w.pass(stealAfter) // b comes back late
	if b.ask(1).mustHave(s, s); w.budget.Stat().ReopenedSoon != 1 {
		t.Errorf("%d came back soon, want 1", w.budget.Stat().ReopenedSoon)
	}
}

func TestTheNumbersSayWhatTheSlotsDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 6)
	a := w.open(private("a"))
	a.rest(1)
	a.use(1)
	spare := w.spares(1)
	spare.settle(spare.got[0])
	w.open(private("b")).ask(2)
	w.open(private("c")).ask(3)
	want := budget.Stat{Size: 6, InUse: 6, Idle: 1, Opening: 3, Closing: 1, Waiting: 2}
	if got := w.budget.Stat(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if _, _, wanted := a.account.Numbers(); wanted != 0 {
		t.Errorf("a wants %d", wanted)
	}
}
