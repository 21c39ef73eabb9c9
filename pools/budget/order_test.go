package budget_test

import (
	"errors"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

func TestAFreePermissionIsGivenAtOnceAndNoMoreThanThereAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	a := w.open(private("a")).ask(5)
	a.mustHave(nil, nil, nil)
	w.inUse(3)
	if held, opening, wanted := a.account.Numbers(); held != 3 || opening != 3 || wanted != 2 {
		t.Errorf("held %d, opening %d, wanted %d; want 3, 3, 2", held, opening, wanted)
	}
	if !a.account.Covered(3) || a.account.Covered(4) {
		t.Error("three that are being opened are for three callers")
	}
}

func TestWhoHoldsFewestByWeightComesFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 8)
	heavy, light, others := private("heavy"), w.open(private("light")), w.open(private("others"))
	heavy.Weight = 4
	h := w.open(heavy)
	h.use(3)
	light.use(1)
	busy := others.use(4)
	light.ask(1)
	w.pass(time.Minute)
	h.ask(2) // later, but three of four are less than one of one
	w.free(busy[0])
	h.mustHave(nil, nil, nil, nil)
	light.mustHave(nil)
	w.free(busy[1]) // now they hold equally much: who waits longer
	light.mustHave(nil, nil)
}

func TestAmongEqualsWhoWaitsLongestComesFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	busy := w.open(private("busy")).use(3)
	var waiting []*holder
	for _, name := range []string{"first", "second", "third"} {
		waiting = append(waiting, w.open(private(name)).ask(1))
		w.now += int64(time.Minute)
	}
	for i, s := range busy {
		w.free(s)
		for j, h := range waiting {
			if got := len(h.got) == 1; got != (j <= i) {
				t.Errorf("after %d slots the account %d was served: %v", i+1, j, got)
			}
		}
	}
}

func TestWhoIsBelowTheirGuaranteeComesBeforeWhoHoldsLess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	terms := private("guaranteed")
	terms.Guaranteed = 2
	g, other := w.open(terms), w.open(private("other"))
	g.use(1)
	busy := w.open(private("busy")).use(2)
	other.ask(1)
	w.pass(time.Minute)
	g.ask(2)
	w.free(busy[0])
	g.mustHave(nil, nil)
	other.mustHave()
	w.free(busy[1]) // its guarantee is kept: now it is as any other
	other.mustHave(nil)
}

func TestAnUrgentAccountComesFirstAndIsNotRefusedForTheQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	busy := w.open(private("busy")).use(1)
	w.open(private("waits")).ask(1)
	w.budget.Resize(1, 1)
	terms := private("urgent")
	terms.Urgent = true
	w.pass(time.Minute)
	w.budget.Resize(1, 1)
	urgent := w.open(terms).ask(1)
	w.free(busy[0])
	urgent.mustHave(nil)
}

func TestAnAccountAtItsMaximumStandsInNobodysWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	small := private("small")
	small.Max = 1
	s, large := w.open(small), w.open(private("large"))
	s.use(1)
	busy := large.use(2)
	s.ask(1)
	if !s.account.AtMax() || large.account.AtMax() {
		t.Error("the small account alone is at its maximum")
	}
	w.pass(time.Minute)
	large.ask(1)
	w.free(busy[0])
	large.mustHave(nil, nil, nil)
	s.mustHave(nil)
}

func TestTheQueuesAreBoundedAndARefusalChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.budget.Resize(1, 2)
	terms := private("small")
	terms.Max, terms.Queue = 1, 1
	s, a := w.open(terms), w.open(private("a"))
	busy := s.use(1)
	s.ask(1)
	if err := s.account.Ask(2, w.now); !errors.Is(err, budget.ErrOwnQueue) {
		t.Errorf("beyond its own queue: %v", err)
	}
	a.ask(2) // what the small account waits for is not the budget's
	if err := a.account.Ask(5, w.now); !errors.Is(err, budget.ErrQueue) {
		t.Errorf("beyond the budget's queue: %v", err)
	}
	if n := w.budget.Stat().Waiting; n != 2 {
		t.Errorf("%d wait, want 2", n)
	}
	a.ask(1) // fewer are never refused
	a.ask(2)
	w.free(busy[0])
	a.mustHave(nil)
	if _, _, wanted := s.account.Numbers(); wanted != 1 {
		t.Errorf("the small account waits for %d, want 1", wanted)
	}
}

func TestASlotThatComesBackGoesToWhoComesFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	rich, poor := w.open(shared("rich")), w.open(shared("poor"))
	busy := rich.use(2)
	rich.ask(1)
	since := w.now
	w.pass(time.Minute)
	poor.ask(1)
	if !rich.yield(busy[0], since) {
		t.Fatal("the holder of two keeps the slot from one who holds none")
	}
	poor.mustHave(busy[0])
	if rich.yield(busy[1], since) {
		t.Error("a slot is taken though nobody else waits")
	}
}

func TestOfTwoWithOneSlotBetweenThemWhoWaitsLongerHasIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	a, b := w.open(shared("a")), w.open(shared("b"))
	busy := a.use(1)
	a.ask(1)
	first := w.now
	w.pass(time.Minute)
	b.ask(1)
	if a.yield(busy[0], first) {
		t.Error("the holder's own caller was first")
	}
	if err := a.account.Ask(1, w.now+1); err != nil {
		t.Error(err)
	}
	if !a.yield(busy[0], w.now+1) {
		t.Error("the other waits longer now")
	}
	b.mustHave(busy[0])
}

func TestASlotThatNobodyElseCanUseIsClosedForWhoComesFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	a, b := w.open(private("a")), w.open(private("b"))
	busy := a.use(1)
	b.ask(1)
	if !a.yield(busy[0], w.now+1) {
		t.Fatal("the holder keeps the slot")
	}
	a.mustLose(budget.Stolen, busy[0])
	b.mustHave()
	if s := w.budget.Stat(); s.InUse != 1 || s.Closing != 1 || s.Waiting != 1 {
		t.Errorf("%+v", s)
	}
	w.free(busy[0])
	b.mustHave(nil)
}

func TestASlotWithinTheGuaranteeIsNotGivenAwayWhenItComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	terms := shared("guaranteed")
	terms.Guaranteed = 1
	g := w.open(terms)
	busy := g.use(1)
	terms.Name = "also"
	w.open(terms).ask(1)
	if g.yield(busy[0], w.now+1) {
		t.Error("a guaranteed slot was given away")
	}
}

func TestWhoWaitsForAClosingSlotTakesAFreePermissionInstead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	idle, busy := w.open(private("idle")).rest(1), w.open(private("busy")).use(1)
	w.pass(keepWarm)
	a := w.open(private("a")).ask(1)
	w.free(busy[0])
	a.mustHave(nil)
	b := w.open(private("b")).ask(1) // what was to be closed for a is for b
	if s := w.budget.Stat(); s.Closing != 1 || s.InUse != 2 {
		t.Errorf("%+v", s)
	}
	w.free(idle[0])
	b.mustHave(nil)
}

func TestWhoIsFirstTakesAFreePermissionBeforeWhoHasNoneUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	w.open(private("idle")).rest(1)
	busy := w.open(private("busy")).use(2)
	w.pass(stealAfter)
	a := w.open(private("a")).ask(1) // a slot is being closed for it
	w.pass(time.Minute)
	b := w.open(private("b")).ask(1)
	w.free(busy[0])
	a.mustHave(nil)
	b.mustHave()
	w.free(busy[1])
	b.mustHave(nil)
}

func TestASlotThatIsClosedForNobodyAnyMoreServesTheNext(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	idle := w.open(private("idle"))
	idle.rest(2)
	w.pass(keepWarm)
	a := w.open(private("a")).ask(1)
	a.ask(0) // its caller has left
	b := w.open(private("b")).ask(1)
	if len(idle.evicted) != 1 {
		t.Fatalf("%d slots were evicted, want 1", len(idle.evicted))
	}
	w.free(idle.evicted[0])
	b.mustHave(nil)
	a.mustHave()
}

func TestAClosedAccountIsGrantedNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	busy := w.open(private("busy")).use(1)
	a, b := w.open(private("a")), w.open(private("b"))
	a.ask(1)
	w.pass(time.Minute)
	b.ask(1)
	a.account.Close()
	if err := a.account.Ask(1, w.now); !errors.Is(err, budget.ErrClosed) {
		t.Errorf("a closed account asks: %v", err)
	}
	w.free(busy[0])
	a.mustHave()
	b.mustHave(nil)
}

func TestAClosedAccountsGuaranteeEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	terms := shared("guaranteed")
	terms.Guaranteed = 1
	g := w.open(terms)
	idle := g.rest(1)
	g.account.Close()
	g.account.Adjust(terms)
	w.pass(keepWarm)
	a := w.open(shared("a")).ask(1)
	a.mustHave(idle[0])
}
