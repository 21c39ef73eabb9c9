package budget_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

// The clock of these tests is turned by hand, and goes by the minute, so that
// no real timer of the budget runs out meanwhile.
const (
	stealAfter = 2 * time.Minute
	keepWarm   = 20 * time.Minute
)

// world is a budget with the clock and the goroutines in the test's hands.
type world struct {
	t       testing.TB
	budget  *budget.Budget
	now     int64
	mu      sync.Mutex // guards started: a timer of the budget's may start something
	started []func()
	served  []*waiter
}

func newWorld(t testing.TB, size int) *world {
	t.Helper()
	return newWorldWith(t, size, func(*budget.Config) {})
}

func newWorldWith(t testing.TB, size int, edit func(*budget.Config)) *world {
	t.Helper()
	w := &world{t: t, now: int64(time.Hour)}
	cfg := budget.Config{
		Size: size, Queue: 1000, StealAfter: stealAfter, KeepWarm: keepWarm,
		Start: w.start,
		Now:   func() int64 { return w.now },
	}
	edit(&cfg)
	w.budget = budget.New(cfg)
	t.Cleanup(w.budget.Close)
	return w
}

func (w *world) start(fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.started = append(w.started, fn)
}

// run runs what was started.
func (w *world) run() {
	for fn := w.next(); fn != nil; fn = w.next() {
		fn()
	}
}

func (w *world) next() (fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.started) > 0 {
		fn, w.started = w.started[0], w.started[1:]
	}
	return fn
}

// pass lets time pass; then the budget looks again, as its timer would have
// it do.
func (w *world) pass(d time.Duration) {
	w.now += int64(d)
	w.budget.Resize(w.budget.Stat().Size, 1000)
	w.run()
}

func (w *world) inUse(want int) {
	w.t.Helper()
	if got := w.budget.Stat().InUse; got != want {
		w.t.Errorf("%d slots are in use, want %d", got, want)
	}
}

// holder notes what it is told.
type holder struct {
	*world
	account *budget.Account
	got     []*budget.Slot
	evicted []*budget.Slot
	whys    []budget.Why
}

// Granted is budget.Holder's.
func (h *holder) Granted(s *budget.Slot) { h.got = append(h.got, s) }

// Evict is budget.Holder's.
func (h *holder) Evict(s *budget.Slot, why budget.Why) {
	h.evicted, h.whys = append(h.evicted, s), append(h.whys, why)
}

// shared are terms of tenants whose connections may change hands.
func shared(name string) budget.Terms {
	return budget.Terms{Name: name, Max: 10, Queue: 10, Weight: 1, Gives: "kind", Takes: []string{"kind"}}
}

// private are terms of tenants with a login of their own.
func private(name string) budget.Terms {
	return budget.Terms{Name: name, Max: 10, Queue: 10, Weight: 1}
}

func (w *world) open(terms budget.Terms) *holder {
	h := &holder{world: w}
	h.account = w.budget.Open(terms, h)
	w.run()
	return h
}

// ask has as many callers wait, the first of them since now.
func (h *holder) ask(callers int) *holder {
	h.t.Helper()
	if err := h.account.Ask(callers, h.now); err != nil {
		h.t.Errorf("a caller is refused: %v", err)
	}
	h.run()
	return h
}

// use gives the account as many slots, in use.
func (h *holder) use(n int) []*budget.Slot {
	h.t.Helper()
	at := len(h.got)
	h.ask(n)
	if len(h.got) != at+n {
		h.t.Fatalf("%d slots were granted, want %d", len(h.got)-at, n)
	}
	for _, s := range h.got[at:] {
		s.Use()
		h.account.Opened(0, 0)
	}
	h.run()
	return h.got[at:]
}

// rest gives the account as many slots, at rest since now, each with a name
// for a connection.
func (h *holder) rest(n int) []*budget.Slot {
	h.t.Helper()
	slots := h.use(n)
	for i, s := range slots {
		s.Value = fmt.Sprint("connection ", i)
		h.settle(s)
	}
	return slots
}

func (h *holder) settle(s *budget.Slot) {
	s.Rest(h.now)
	s.Settle()
	h.run()
}

func (h *holder) yield(s *budget.Slot, since int64) bool {
	defer h.run()
	return s.Yield(since)
}

func (w *world) free(s *budget.Slot) {
	s.Free()
	w.run()
}

// mustHave checks which slots the account was granted in all; nil stands for
// any new one.
func (h *holder) mustHave(slots ...*budget.Slot) {
	h.t.Helper()
	if len(h.got) != len(slots) {
		h.t.Fatalf("%d slots were granted, want %d", len(h.got), len(slots))
	}
	for i, want := range slots {
		if want != nil && h.got[i] != want {
			h.t.Errorf("slot %d is not the expected one", i)
		}
	}
}

// mustLose checks which slots the account was told to close in all.
func (h *holder) mustLose(why budget.Why, slots ...*budget.Slot) {
	h.t.Helper()
	if !slices.Equal(h.evicted, slots) {
		h.t.Fatalf("evicted: %d slots, or others than the %d expected", len(h.evicted), len(slots))
	}
	for _, got := range h.whys {
		if got != why {
			h.t.Errorf("evicted as %q, want %q", got, why)
		}
	}
}
