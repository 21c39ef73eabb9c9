package budget_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

// BenchmarkRestSettleTake is what a warm request costs, when nobody waits.
func BenchmarkRestSettleTake(b *testing.B) {
	s := benchWorld(b, 50).open(shared("a")).use(1)[0]
	for now := int64(1); b.Loop(); now++ {
		s.Rest(now)
		s.Settle()
		if !s.Take() {
			b.Fatal("the slot was taken")
		}
	}
}

// BenchmarkMatch is what it costs to give a slot that came back to the first
// of a thousand waiting accounts, whose holder then waits again.
func BenchmarkMatch(b *testing.B) {
	for _, size := range []int{50, 500, 5000} {
		b.Run(fmt.Sprint("size ", size), func(b *testing.B) { benchMatch(b, size) })
	}
}

func benchMatch(b *testing.B, size int) {
	const waiting = 1000
	w := benchWorld(b, size)
	for i := range size + waiting {
		terms := shared(fmt.Sprint(i))
		terms.Max = 1
		h := &waiter{world: w}
		h.account = w.budget.Open(terms, h)
		h.ask(1)
	}
	w.run()
	for b.Loop() {
		holder := w.served[0]
		w.served = w.served[1:]
		w.now += int64(stealAfter)
		holder.slot.Rest(w.now)
		holder.slot.Settle()
		w.run()
		holder.ask(1)
	}
}

// waiter uses what it is granted, and waits for its turn in World.served.
type waiter struct {
	*world
	account *budget.Account
	slot    *budget.Slot
}

func (h *waiter) ask(callers int) { _ = h.account.Ask(callers, h.now) }

// Granted is budget.Holder's.
func (h *waiter) Granted(s *budget.Slot) {
	h.slot = s
	s.Use()
	h.served = append(h.served, h)
	h.account.Opened(0, 0)
}

// Evict is budget.Holder's.
func (h *waiter) Evict(*budget.Slot, budget.Why) {}

func benchWorld(b *testing.B, size int) *world {
	w := &world{t: b, now: int64(time.Hour)}
	w.budget = budget.New(budget.Config{
		Size: size, Queue: 1 << 20, StealAfter: stealAfter, KeepWarm: keepWarm,
		Start: w.start,
		Now:   func() int64 { return w.now },
	})
	b.Cleanup(w.budget.Close)
	return w
}
