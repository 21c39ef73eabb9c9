package budget_test

import (
	"math/big"
	"slices"
)

// ---- the accounts' numbers ----

func (a *account) held() (n int) {
	for _, s := range a.model.slots {
		if s.owner == a && s.phase != closing {
			n++
		}
	}
	return n
}

func (a *account) opening() (n int) {
	for _, s := range a.model.slots {
		if s.owner == a && s.phase == opening {
			n++
		}
	}
	return n
}

func (a *account) wants() int {
	if a.closed {
		return 0
	}
	return max(0, min(len(a.callers)-a.opening(), a.terms.Max-a.held()))
}

// awaits is how many slots are being closed for it.
func (a *account) awaits() (n int) {
	for _, s := range a.model.withPhase(closing) {
		if s.PledgedTo() == a.Account {
			n++
		}
	}
	return n
}

func (m *model) wants() (n int) {
	for _, a := range m.accounts {
		n += a.wants()
	}
	return n
}

// ---- the rules ----

// share is what an account with as many slots holds by weight.
func (a *account) share(held int) *big.Rat { return big.NewRat(int64(held), int64(a.terms.Weight)) }

func (a *account) urgent(held int) bool { return a.terms.Urgent || held < a.terms.Guaranteed }

// comesBefore says whether a, who waits, comes before b when that holds as
// much and waits since then.
func (a *account) comesBefore(b *account, held int, since int64) bool {
	mine := a.held()
	if a.urgent(mine) != b.urgent(held) {
		return a.urgent(mine)
	}
	if c := a.share(mine).Cmp(b.share(held)); c != 0 {
		return c < 0
	}
	return a.callers[0] < since
}

// first is who comes first among those who want more than the given function
// says is on its way to them.
func (m *model) first(coming func(*account) int) *account {
	var first *account
	for _, a := range m.accounts {
		if a.wants() > coming(a) && (first == nil || a.comesBefore(first, first.held(), first.callers[0])) {
			first = a
		}
	}
	return first
}

func none(*account) int { return 0 }

func (a *account) takes(s *slot) bool {
	return s.owner.terms.Gives != "" && slices.Contains(a.terms.Takes, s.owner.terms.Gives)
}

// mayHave says whether s, which rests, may be taken for a.
func (a *account) mayHave(s *slot) bool {
	owner, now := s.owner, a.model.now()
	switch {
	case owner == a || s.phase != resting:
		return false
	case owner.terms.Spare:
		return true
	case owner.held() <= owner.terms.Guaranteed:
		return false
	}
	rested, waited := now-s.since, now-a.callers[0]
	if rested < int64(stealAfter) && waited < int64(stealAfter) {
		return false
	}
	warm := a.share(a.held()).Cmp(owner.share(owner.held()-1)) > 0
	return !warm || a.urgent(a.held()) || rested >= int64(keepWarm)
}

// best is the slot that can best be spared for a: a spare that it can take
// over, another that it can take over, or else one to close.
func (a *account) best() (best *slot, takeOver bool) {
	var spare, own, known, other *slot
	for _, s := range a.model.slots {
		switch {
		case !a.mayHave(s):
		case !a.takes(s):
			other = colder(other, s)
		case s.owner.terms.Spare:
			spare = colder(spare, s)
		default:
			own = colder(own, s)
			if s.served[a] {
				known = colder(known, s)
			}
		}
	}
	now := a.model.now()
	switch {
	case spare != nil:
		return spare, true
	case known != nil && 100*(now-known.since) >= now-own.since:
		return known, true
	case own != nil:
		return own, true
	}
	return other, false
}

// colder is the one that goes first: a spare, or who rests longer.
func colder(a, b *slot) *slot {
	switch {
	case a == nil:
		return b
	case a.owner.terms.Spare != b.owner.terms.Spare:
		if a.owner.terms.Spare {
			return a
		}
		return b
	case a.since <= b.since:
		return a
	}
	return b
}
