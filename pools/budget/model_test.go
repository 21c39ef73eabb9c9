package budget_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

// The model keeps its own books of who holds which slot, waits, and since
// when. Whatever the budget decides is checked against the rules of doc.go,
// spelled out as plainly as they are there, before it is written down; and
// after each step, whether something was left undone. Time is in whole
// minutes, and each moment has a nanosecond of its own, so that no two
// accounts wait equally long.

type phase int

const (
	opening phase = iota
	failed        // could not be opened; not freed yet
	busy
	resting
	closing
)

// slot is the model's view of one.
type slot struct {
	*budget.Slot
	owner  *account
	phase  phase
	since  int64
	served map[*account]bool
}

// account is the model's view of one, and its holder.
type account struct {
	*budget.Account
	model   *model
	terms   budget.Terms
	callers []int64 // since when they wait
	paused  int64
	closed  bool
}

// decision is what the budget has said to a holder.
type decision struct {
	to   *account
	slot *budget.Slot
	why  budget.Why // "": granted
}

// Granted is budget.Holder's.
func (a *account) Granted(s *budget.Slot) {
	a.model.decided = append(a.model.decided, decision{to: a, slot: s})
}

// Evict is budget.Holder's.
func (a *account) Evict(s *budget.Slot, why budget.Why) {
	a.model.decided = append(a.model.decided, decision{to: a, slot: s, why: why})
}

type model struct {
	*rapid.T
	budget   *budget.Budget
	size     int
	queue    int
	minute   int64
	tick     int64 // within the minute
	accounts []*account
	slots    []*slot // in use
	yielding *slot
	started  []func()
	decided  []decision
}

func TestTheBudgetFollowsItsRules(t *testing.T) {
	t.Parallel()
	for size := range 7 {
		t.Run(fmt.Sprintf("size %d", size), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { modelled(t, size) })
		})
	}
}

func modelled(t *rapid.T, size int) {
	m := &model{T: t, size: size, queue: 8, minute: 60}
	m.budget = budget.New(budget.Config{
		Size: m.size, Queue: m.queue, StealAfter: stealAfter, KeepWarm: keepWarm,
		Start: func(fn func()) { m.started = append(m.started, fn) },
		Now:   m.now,
	})
	defer m.budget.Close()
	for range 4 {
		m.open(t)
	}
	steps := map[string]func(*rapid.T){
		"": m.check, "call": m.call, "call, likewise": m.call, "leave": m.leave,
		"succeed": m.succeed, "succeed, likewise": m.succeed, "fail": m.fail,
		"return": m.giveBack, "return, likewise": m.giveBack, "return again": m.giveBack, "take": m.take,
		"free": m.gone, "wait": m.wait, "change": m.change,
	}
	for range 5 {
		m.Repeat(steps)
	}
	m.end()
}

// now is always later than the moments of the minute.
func (m *model) now() int64 { return m.minute*int64(time.Minute) + int64(30*time.Second) }

// moment is a new one.
func (m *model) moment() int64 {
	m.tick++
	return m.minute*int64(time.Minute) + m.tick
}

func (m *model) withPhase(of phase) []*slot {
	return slices.DeleteFunc(slices.Clone(m.slots), func(s *slot) bool { return s.phase != of })
}

// pick draws a slot in the given phase, or skips the step.
func (m *model) pick(of phase) *slot {
	return choose(m, m.withPhase(of))
}

// live draws an account that is not closed, or skips the step.
func (m *model) live(spare bool) *account {
	return choose(m, slices.DeleteFunc(slices.Clone(m.accounts), func(a *account) bool {
		return a.closed || a.terms.Spare && !spare
	}))
}

func choose[T any](m *model, from []T) T {
	if len(from) == 0 {
		m.Skip("none")
	}
	return from[int(rapid.Uint16().Draw(m.T, "which"))%len(from)]
}

// ---- what happens ----

func (m *model) open(t *rapid.T) {
	if len(m.accounts) >= 9 {
		return
	}
	a := &account{model: m, terms: drawTerms(t)}
	a.terms.Name = string(rune('a' + len(m.accounts)))
	switch rapid.SampledFrom([]string{"", "", "", "", "", "spare", "urgent"}).Draw(t, "nature") {
	case "spare":
		a.terms.Spare, a.terms.Takes, a.terms.Guaranteed = true, nil, 0
	case "urgent":
		a.terms.Urgent = true
	}
	m.accounts = append(m.accounts, a)
	a.Account = m.budget.Open(a.terms, a)
	m.settled()
}

func drawTerms(t *rapid.T) budget.Terms {
	terms := budget.Terms{
		Max:        rapid.SampledFrom([]int{3, 4, 2, 1}).Draw(t, "max"),
		Queue:      rapid.SampledFrom([]int{3, 2, 1, 0}).Draw(t, "queue"),
		Guaranteed: rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2}).Draw(t, "guaranteed"),
		Weight:     rapid.SampledFrom([]int{1, 1, 1, 2, 5}).Draw(t, "weight"),
		Gives:      rapid.SampledFrom([]string{"x", "x", "", "y"}).Draw(t, "gives"),
	}
	if terms.Gives != "" {
		terms.Takes = []string{terms.Gives}
	} else if rapid.Bool().Draw(t, "takes spares") {
		terms.Takes = []string{"y"}
	}
	return terms
}

// change changes something that seldom changes.
func (m *model) change(t *rapid.T) {
	switch rapid.SampledFrom([]string{"", "", "", "open", "terms", "size", "close"}).Draw(t, "what") {
	case "open":
		m.open(t)
	case "terms":
		m.adjust(t)
	case "size":
		m.resize(t)
	case "close":
		m.closeOne()
	}
}

func (m *model) resize(t *rapid.T) {
	m.size = max(0, m.size+rapid.IntRange(-2, 2).Draw(t, "size"))
	m.queue = rapid.SampledFrom([]int{8, 5, 3, 0}).Draw(t, "queue")
	m.budget.Resize(m.size, m.queue)
	m.settled()
}

func (m *model) adjust(t *rapid.T) {
	a, to := m.live(true), drawTerms(t)
	if a.terms.Spare {
		to.Guaranteed, to.Takes = 0, nil
	}
	a.terms.Max, a.terms.Queue, a.terms.Guaranteed, a.terms.Weight = to.Max, to.Queue, to.Guaranteed, to.Weight
	a.terms.Takes = to.Takes
	a.Adjust(to)
	m.settled()
}
