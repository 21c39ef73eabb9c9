package budget

import (
	"slices"
	"sync/atomic"
)

// States of a slot; greater than stateTaken: it rests since then.
const (
	stateBusy  int64 = 0  // its holder uses it
	stateTaken int64 = -1 // the budget gave it away: it is being opened, or closed
	stateFreed int64 = -2 // its socket is gone
)

// remembered is how many accounts a slot remembers to have served.
const remembered = 64

// Slot is the permission for one socket.
type Slot struct {
	budget *Budget
	opened int64 // when its permission was given
	// state is the arbiter between the holder and the budget: whoever swaps
	// it from resting has the slot.
	state atomic.Int64
	// Value is the connection, for its holder to keep here while it rests. It
	// is written by the holder before Rest or Yield, and read by whoever is
	// granted the slot.
	Value any

	// Guarded by the budget's mutex.
	account *Account
	pledged *Account // for whom it is being closed
	closing bool
	since   int64 // when that began
	overdue bool  // it takes so long that nobody counts on it any more
	freed   bool
	pos     int                // in Budget.slots
	served  [remembered]uint32 // the last one first
}

// Rest says that the connection is idle, since now (greater than zero).
// Call Settle when the holder's locks are released.
func (s *Slot) Rest(now int64) { s.state.Store(max(now, 1)) }

// Settle lets the budget act on a slot that came to rest, when somebody waits.
func (s *Slot) Settle() {
	if s.budget.pressed.Load() {
		s.budget.rematch()
	}
}

// Take takes a resting slot back into use; it fails when the budget was first.
func (s *Slot) Take() bool {
	since := s.state.Load()
	return since > 0 && s.state.CompareAndSwap(since, stateBusy)
}

// Use marks a slot as in use that was granted.
func (s *Slot) Use() { s.state.Store(stateBusy) }

// Freed reports whether the socket of a slot that its holder had, at rest or in
// use, is gone: one that was closed while it rested is nobody's to take.
func (s *Slot) Freed() bool { return s.state.Load() == stateFreed }

// Rested is when the slot came to rest, 0 when it does not.
func (s *Slot) Rested() int64 { return max(0, s.state.Load()) }

// Yield asks, for a connection in good order that its holder has finished
// with while a caller of the account itself waits since then, whether
// somebody else comes first. If so the slot is given away already.
func (s *Slot) Yield(since int64) bool {
	b := s.budget
	if !b.pressed.Load() {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a := s.account
	if a == nil { // its socket was cut meanwhile, and is gone
		return false
	}
	if b.over() || a.exceeds() {
		b.evict(s, Shrunk, nil)
		b.settle()
		return true
	}
	if b.waiting.Len() == 0 || a.held <= a.terms.Guaranteed {
		return false
	}
	if first := b.waiting.first(); first != a && a.mustYield(first, since) && b.served(s, first) <= b.cfg.Now() {
		b.give(s, first)
		b.settle()
		return true
	}
	return false
}

// mustYield compares as if the account had one slot less.
func (a *Account) mustYield(first *Account, since int64) bool {
	next := Account{terms: a.terms, held: a.held - 1, since: since}
	return first.before(&next)
}

// Free gives the permission back: the socket is gone. Exactly once.
func (s *Slot) Free() {
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.freed {
		panic("budget: slot freed twice")
	}
	s.freed = true
	s.leave()
	last := len(b.slots) - 1
	b.slots[s.pos], b.slots[last].pos = b.slots[last], s.pos
	b.slots[last] = nil
	b.slots = b.slots[:last]
	if s.closing && !s.overdue {
		b.closing--
	}
	b.unpledge(s)
	if a := s.account; a != nil {
		s.account = nil
		a.held--
		b.reorder(a)
	}
	b.settle()
}

// leave marks it freed, unless the budget gave it away before: then whoever
// was told of that has the rest to do, and nobody else.
func (s *Slot) leave() {
	for {
		if now := s.state.Load(); now == stateTaken || s.state.CompareAndSwap(now, stateFreed) {
			return
		}
	}
}

func (s *Slot) resting() bool { return s.state.Load() > 0 && s.account != nil }

// opening reports whether it was granted and is not in use yet.
func (s *Slot) opening() bool { return s.state.Load() == stateTaken && !s.closing }

// remember notes who was served, the last one first.
func (s *Slot) remember(mark uint32) {
	at := slices.Index(s.served[:], mark)
	if at < 0 {
		at = remembered - 1
	}
	copy(s.served[1:at+1], s.served[:at])
	s.served[0] = mark
}

func (s *Slot) servedBefore(mark uint32) bool { return slices.Contains(s.served[:], mark) }
