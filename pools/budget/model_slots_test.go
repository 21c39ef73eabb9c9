package budget_test

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

// succeed has a granted slot's connection come about.
func (m *model) succeed(*rapid.T) {
	s := m.pick(opening)
	s.Use()
	s.phase = busy
	if !s.owner.serve() {
		m.rest(s)
	}
	s.owner.Opened(s.owner.waiting())
	m.settled()
}

// fail has it not come about.
func (m *model) fail(t *rapid.T) {
	s := m.pick(opening)
	a := s.owner
	a.serve()
	s.phase = failed
	if a.terms.Spare && rapid.Bool().Draw(t, "pause") {
		a.paused = m.now() + int64(5*time.Minute)
		a.Pause(a.paused)
	}
	a.Failed(a.waiting())
	m.settled()
}

func (m *model) rest(s *slot) {
	s.phase, s.since = resting, m.moment()
	s.Rest(s.since)
}

// giveBack has a holder finish with a connection.
func (m *model) giveBack(*rapid.T) {
	s := m.pick(busy)
	callers, since := s.owner.waiting()
	if callers == 0 {
		m.rest(s)
		s.Settle()
		m.settled()
		return
	}
	m.yielding = s
	gave := s.Yield(since)
	m.settled()
	if kept := m.yielding == s; gave == kept {
		m.Fatalf("yield said %v", gave)
	}
	m.yielding = nil
	if !gave {
		m.mustKeep(s, since)
		s.owner.serve()
		s.owner.ask()
		m.settled()
	}
}

// take has a caller find a connection at rest.
func (m *model) take(*rapid.T) {
	s := m.pick(resting)
	if !s.Take() {
		m.Fatal("a resting slot cannot be taken back")
	}
	s.phase = busy
	m.settled()
}

// gone has a socket be gone: one that was being closed, or failed, or was in
// use.
func (m *model) gone(*rapid.T) {
	m.free(choose(m, slices.Concat(m.withPhase(closing), m.withPhase(closing), m.withPhase(failed), m.withPhase(busy))))
}

func (m *model) free(s *slot) {
	m.slots = slices.DeleteFunc(m.slots, func(x *slot) bool { return x == s })
	s.Free()
	m.settled()
}

func (m *model) closeOne() {
	if len(m.accounts) < 6 {
		return
	}
	a := m.live(true)
	a.closed, a.callers, a.terms.Guaranteed = true, nil, 0
	a.Close()
	m.settled()
}

// end frees everything.
func (m *model) end() {
	for _, a := range m.accounts {
		a.closed, a.callers, a.terms.Guaranteed = true, nil, 0
		a.Close()
		m.settled()
	}
	for len(m.slots) > 0 {
		s := m.slots[0]
		if s.phase == opening {
			s.phase = failed
			s.owner.Failed(0, 0)
		}
		if s.phase == resting && !s.Take() {
			m.Fatal("a resting slot cannot be taken back")
		}
		m.free(s)
	}
	if stat := m.budget.Stat(); stat != (budget.Stat{Size: m.size, ReopenedSoon: stat.ReopenedSoon}) {
		m.Fatalf("after the end: %+v", stat)
	}
}
