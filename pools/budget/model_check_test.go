package budget_test

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

func (m *model) leftOver() int { return len(m.slots) - len(m.withPhase(closing)) }

// mustGo says whether what rests on s is too much.
func (m *model) mustGo(s *slot) bool {
	return m.leftOver() > m.size || s.owner.held() > s.owner.terms.Max
}

// mustKeep checks that the holder may go on with a slot that came back, for
// a caller of its own who waits since then.
func (m *model) mustKeep(s *slot, since int64) {
	owner := s.owner
	if m.mustGo(s) {
		m.Fatal("a slot beyond the limits is kept")
	}
	first := m.first((*account).awaits)
	if first == nil || first == owner || owner.held() <= owner.terms.Guaranteed {
		return
	}
	if first.comesBefore(owner, owner.held()-1, since) {
		m.Fatalf("account %s keeps a slot, %s comes first", owner.terms.Name, first.terms.Name)
	}
}

// ---- the budget's decisions ----

func (m *model) runAll() {
	for _, fn := range m.started {
		fn()
	}
	m.started = nil
}

// settled takes note of all that was decided.
func (m *model) settled() {
	m.runAll()
	for len(m.decided) > 0 {
		m.next()
	}
}

func (m *model) next() {
	d := m.decided[0]
	m.decided = m.decided[1:]
	at := slices.IndexFunc(m.slots, func(s *slot) bool { return s.Slot == d.slot })
	switch {
	case d.why != "":
		m.evicted(m.slots[at], d)
	case at < 0:
		m.granted(d)
	default:
		m.moved(m.slots[at], d.to)
	}
}

// granted checks a permission that was free.
func (m *model) granted(d decision) {
	if len(m.slots) >= m.size {
		m.Fatalf("%d slots are in use of %d, and one is granted", len(m.slots), m.size)
	}
	a := d.to
	if a.terms.Spare {
		if m.wants() > 0 || a.closed || a.held() >= a.terms.Max || m.now() < a.paused {
			m.Fatal("a spare that should not be opened")
		}
	} else {
		m.mustBeFirst(a, none)
		if s, takeOver := a.best(); takeOver && s.owner.terms.Spare && !s.owner.closed {
			m.Fatalf("account %s dials, and there is a spare", a.terms.Name)
		}
	}
	m.slots = append(m.slots, &slot{Slot: d.slot, owner: a, served: map[*account]bool{a: true}})
}

func (m *model) mustBeFirst(a *account, coming func(*account) int) {
	if a.wants() == 0 {
		m.Fatalf("account %s is served, and wants nothing", a.terms.Name)
	}
	if first := m.first(coming); first != nil && first.comesBefore(a, a.held(), a.callers[0]) {
		m.Fatalf("account %s is served, %s comes first", a.terms.Name, first.terms.Name)
	}
}

// perhaps is as many slots as may be on their way to an account. For whom
// each is, is settled only when all is; so it errs on the safe side.
func (m *model) perhaps(*account) int { return len(m.withPhase(closing)) }

// moved checks a slot that was taken over.
func (m *model) moved(s *slot, a *account) {
	switch {
	case !a.takes(s):
		m.Fatalf("account %s cannot use what it is given", a.terms.Name)
	case s == m.yielding:
		m.mustYield(s, a)
	case len(m.slots) < m.size:
		m.mustBeFirst(a, none)
		m.mustBeBest(s, a)
		if !s.owner.terms.Spare {
			m.Fatal("a slot is taken while a permission is free")
		}
	default:
		m.mustBeFirst(a, m.perhaps)
		m.mustBeBest(s, a)
	}
	s.owner, s.phase = a, opening
	s.served[a] = true
}

func (m *model) mustBeBest(s *slot, a *account) {
	if best, _ := a.best(); best != s {
		m.Fatalf("account %s is given a slot that is not the best", a.terms.Name)
	}
}

// mustYield checks that a slot of an account that has callers went to another.
func (m *model) mustYield(s *slot, a *account) {
	owner := s.owner
	m.mustBeFirst(a, m.perhaps)
	if owner.held() <= owner.terms.Guaranteed {
		m.Fatalf("a guaranteed slot of account %s was given away", owner.terms.Name)
	}
	if _, since := owner.waiting(); !a.comesBefore(owner, owner.held()-1, since) {
		m.Fatalf("account %s had to give way to %s", owner.terms.Name, a.terms.Name)
	}
	m.yielding = nil
}

// evicted checks a slot that is to be closed.
func (m *model) evicted(s *slot, d decision) {
	if s.owner != d.to {
		m.Fatalf("account %s is to close what it does not hold", d.to.terms.Name)
	}
	switch {
	case d.why == budget.Shrunk:
		m.mustShrink(s)
	case len(m.slots) < m.size:
		m.Fatal("a slot is closed while a permission is free")
	default:
		m.mustSteal(s)
	}
	s.phase = closing
}

func (m *model) mustShrink(s *slot) {
	if !m.mustGo(s) {
		m.Fatal("nothing is too much, and a slot is closed")
	}
	if s == m.yielding {
		m.yielding = nil
		return
	}
	for _, other := range m.withPhase(resting) {
		if other != s && m.mustGo(other) && colder(s, other) == other {
			m.Fatal("it is not the coldest that is closed")
		}
	}
}

// mustSteal checks that somebody waits who may have s, and can have nothing
// better.
func (m *model) mustSteal(s *slot) {
	if s == m.yielding {
		m.yielding = nil
		s.phase = resting // not any more in use
		if owner := s.owner; owner.held() <= owner.terms.Guaranteed {
			m.Fatalf("a guaranteed slot of account %s was given away", owner.terms.Name)
		}
		return
	}
	if first := m.first(none); first == m.first(m.perhaps) { // then it is for that one
		best, takeOver := first.best()
		spares := best.owner.terms.Spare && s.owner.terms.Spare // either does
		if takeOver || best != s && !spares {
			m.Fatal("it is not the best that is closed")
		}
	}
	if !slices.ContainsFunc(m.accounts, func(a *account) bool { return a.wants() > 0 && a.mayHave(s) }) {
		m.Fatal("nobody who waits may have the slot that is closed")
	}
}

// ---- what must hold after each step ----

// check checks that nothing was left undone, and all numbers.
func (m *model) check(*rapid.T) {
	all := make([]*budget.Account, 0, len(m.accounts))
	for _, a := range m.accounts {
		all = append(all, a.Account)
		m.mustAgree(a)
	}
	if err := m.budget.Audit(all); err != nil {
		m.Fatal(err)
	}
	m.mustCount()
	for _, s := range m.withPhase(resting) {
		if m.mustGo(s) {
			m.Fatal("a slot beyond the limits rests")
		}
		if s.Rested() != s.since {
			m.Fatalf("a slot that rests since %d says %d", s.since, s.Rested())
		}
	}
	if len(m.slots) < m.size {
		m.mustUseAll()
		return
	}
	if first := m.first((*account).awaits); first != nil {
		if best, _ := first.best(); best != nil {
			m.Fatalf("account %s waits, and there is a slot for it", first.terms.Name)
		}
		if unclaimed := m.size - m.leftOver(); unclaimed > m.covered() {
			m.Fatalf("account %s waits for nothing, and %d are on their way", first.terms.Name, unclaimed)
		}
	}
}

func (m *model) covered() (n int) {
	for _, a := range m.accounts {
		n += min(a.wants(), a.awaits())
	}
	return n
}

func (m *model) mustAgree(a *account) {
	held, opening, wanted := a.Numbers()
	if held != a.held() || opening != a.opening() || wanted != a.wants() {
		m.Fatalf("account %s: held %d, opening %d, wanted %d; want %d, %d, %d",
			a.terms.Name, held, opening, wanted, a.held(), a.opening(), a.wants())
	}
	if a.Excess() != (a.held() > a.terms.Max) || a.AtMax() != (a.held() >= a.terms.Max) {
		m.Fatalf("account %s: it holds %d of %d", a.terms.Name, a.held(), a.terms.Max)
	}
}

// mustCount compares the numbers that are shown.
func (m *model) mustCount() {
	want := budget.Stat{
		Size: m.size, InUse: len(m.slots), Waiting: m.wants(), Closing: len(m.withPhase(closing)),
		Opening: len(m.withPhase(opening)) + len(m.withPhase(failed)),
	}
	for _, s := range m.withPhase(resting) {
		if s.owner.terms.Spare {
			want.Spares++
		} else {
			want.Idle++
		}
	}
	got := m.budget.Stat()
	want.ReopenedSoon = got.ReopenedSoon
	if got != want {
		m.Fatalf("numbers %+v, want %+v", got, want)
	}
}

// mustUseAll checks that a permission is free for want of a use alone.
func (m *model) mustUseAll() {
	if m.wants() > 0 {
		m.Fatal("somebody waits while a permission is free")
	}
	for _, a := range m.accounts {
		if a.terms.Spare && !a.closed && a.held() < a.terms.Max && m.now() >= a.paused {
			m.Fatal("a spare could be opened")
		}
	}
}
