package budget_test

import (
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

// roomy are terms of spares for which room is made.
func roomy(n int) budget.Terms {
	return budget.Terms{Name: "spares", Max: n, Weight: 1, Spare: true, Gives: "spare", Room: true}
}

func TestRoomIsMadeForSparesByWhatHasRestedForLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	cold, warm, busy := w.open(private("cold")), w.open(private("warm")), w.open(private("busy"))
	cold.rest(2)
	busy.use(1)
	w.pass(keepWarm / 2)
	warm.rest(1)
	spares := w.open(roomy(2))
	if len(spares.got) > 0 || len(cold.evicted)+len(warm.evicted) > 0 {
		t.Error("what rests has not rested for long")
	}
	w.pass(keepWarm / 2)
	if len(cold.evicted) != 2 || len(warm.evicted) > 0 {
		t.Fatalf("%d and %d slots are closed for two spares", len(cold.evicted), len(warm.evicted))
	}
	for _, s := range cold.evicted {
		s.Free()
	}
	w.run()
	if len(spares.got) != 2 {
		t.Errorf("%d spares are opened, want 2", len(spares.got))
	}
	w.pass(2 * keepWarm)
	if len(warm.evicted) > 0 {
		t.Error("a slot is closed for spares that are there")
	}
	w.inUse(4)
}

func TestNoRoomIsMadeForSparesWhileSomebodyWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.open(private("busy")).use(1)
	guaranteed := private("guaranteed")
	guaranteed.Guaranteed = 1
	safe := w.open(guaranteed)
	safe.rest(1)
	waits := w.open(private("waits")).ask(1)
	w.open(roomy(1))
	w.pass(2 * keepWarm)
	if len(safe.evicted) > 0 || len(waits.got) > 0 {
		t.Error("a guaranteed slot is closed")
	}
}

func TestARoomySpareOfNoUseIsClosedAfterWhatRestsWithSomebody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	spares := w.open(roomy(1))
	s := spares.got[0]
	s.Value = "spare"
	spares.account.Opened(0, 0)
	spares.settle(s)
	other := w.open(private("other"))
	other.rest(1)
	w.pass(stealAfter)
	w.open(private("a")).ask(1)
	if len(spares.evicted) != 0 || len(other.evicted) != 1 {
		t.Fatalf("%d spares are closed, and %d slots of another", len(spares.evicted), len(other.evicted))
	}
	w.open(private("b")).ask(1)
	if len(spares.evicted) != 1 {
		t.Error("the spare is kept while somebody waits")
	}
}

func TestASpareThatWasTakenIsReplacedAWhileLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	w.budget = budget.New(budget.Config{
		Size: 3, Queue: 10, RefillAfter: time.Minute, Start: w.start, Now: func() int64 { return w.now },
	})
	t.Cleanup(w.budget.Close)
	spares := w.open(roomy(1))
	s := spares.got[0]
	s.Value = "spare"
	spares.account.Opened(0, 0)
	spares.settle(s)
	terms := private("a")
	terms.Takes = []string{"spare"}
	w.open(terms).ask(1)
	w.pass(time.Minute - 1)
	if len(spares.got) != 1 {
		t.Error("the spare is replaced at once")
	}
	w.pass(1)
	if len(spares.got) != 2 {
		t.Errorf("%d spares were opened, want 2", len(spares.got))
	}
}
