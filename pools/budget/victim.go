package budget

import (
	"cmp"
	"math"
	"slices"
)

// looked is how many slots are looked at for the best victim: a budget of
// thousands need not be searched whole for one that is cold enough. Where none
// is found among as many, the next are looked at.
const looked = 512

// how says what is looked for.
type how int

const (
	spares   how = iota // a permission is free: only a spare that can be taken over is better
	takeable            // one is on its way: what can be taken over is there sooner
	anything
)

// candidate is a slot that may be taken, since when it rests, and how cold
// that makes it: less is colder.
type candidate struct {
	slot        *Slot
	since, rank int64
}

// colder keeps the colder one.
func (c *candidate) colder(s *Slot, since, rank int64) {
	if c.slot == nil || rank < c.rank {
		*c = candidate{s, since, rank}
	}
}

// take takes the slot, unless its holder was first.
func (c *candidate) take() bool { return c.slot.state.CompareAndSwap(c.since, stateTaken) }

// search is one look for a victim on behalf of an account.
type search struct {
	spare, own, known, any candidate // a spare, one that can be taken over, one that served the account, one to close
	again                  int64     // when the next one may be taken, 0: none rests
}

// victim takes the slot that can best be spared for a out of its rest. When
// there is none it returns when to look again, 0 when nothing rests.
func (b *Budget) victim(a *Account, now int64, how how) (s *Slot, again int64) {
	for {
		found := b.search(a, now, how)
		c := found.best(now, how)
		if c.slot == nil {
			return nil, found.again
		}
		if c.take() {
			return c.slot, 0
		} // its holder was first: look for another
	}
}

func (b *Budget) search(a *Account, now int64, how how) search {
	var found search
	start := 0
	if len(b.slots) > looked { // a window that wanders with the time
		start = int(uint64(now) % uint64(len(b.slots))) //nolint:gosec // now is positive
	}
	for i := range b.slots {
		if i > 0 && i%looked == 0 && found.best(now, how).slot != nil {
			break
		}
		s := b.slots[(start+i)%len(b.slots)]
		since := s.state.Load()
		if since <= 0 || s.account == nil || s.account == a {
			continue
		}
		found.weigh(b, a, s, since, now)
	}
	return found
}

// weigh sorts one resting slot in.
func (f *search) weigh(b *Budget, a *Account, s *Slot, since, now int64) {
	if s.account.terms.Spare {
		switch {
		case a.takes(s):
			f.spare.colder(s, since, since)
		case s.account.terms.Room: // it would be opened anew, in place of something else
			f.any.colder(s, since, math.MaxInt64)
		default:
			f.any.colder(s, since, 0) // nobody's: before anything that is somebody's
		}
		return
	}
	if s.account.held <= s.account.terms.Guaranteed {
		return
	}
	if at := b.ripe(a, s, since); at > now {
		if f.again == 0 || at < f.again {
			f.again = at
		}
		return
	}
	cold := s.account.coldSince(since, now)
	if !a.takes(s) {
		f.any.colder(s, since, cold)
		return
	}
	f.own.colder(s, since, cold)
	if s.servedBefore(a.mark) {
		f.known.colder(s, since, cold)
	}
}

// spareFor reports whether there may be a spare that a can take over.
func (b *Budget) spareFor(a *Account) bool {
	return slices.ContainsFunc(b.spares, func(spare *Account) bool {
		return spare.held > spare.opening && slices.Contains(a.terms.Takes, spare.terms.Gives)
	})
}

// known is how many times longer than a connection that served the account
// before the coldest one may have rested, to be passed over for it. A server's
// process that has read a tenant's part of the catalogue answers in a fraction
// of the time; which of the cold ones is taken matters little.
const known = 100

// best chooses: a spare; one that can be taken over, by preference one that
// served the account before; else one to close.
func (f *search) best(now int64, how how) candidate {
	switch {
	case f.spare.slot != nil:
		return f.spare
	case how == spares:
		return candidate{}
	case f.known.slot != nil && known*(now-f.known.rank) >= now-f.own.rank:
		return f.known
	case f.own.slot != nil:
		return f.own
	case how == takeable:
		return candidate{}
	default:
		return f.any
	}
}

// ripe is when a slot that rests since then may be taken for a. Like
// Yield it compares what a holds with what owner would be left with. So who
// holds nothing never waits for KeepWarm, and whatever one account may not
// take for that reason, none that comes after it may take either.
func (b *Budget) ripe(a *Account, s *Slot, since int64) int64 {
	owner := s.account
	at := max(min(since, a.since)+int64(b.cfg.StealAfter), b.served(s, a))
	poorer := (owner.held-1)*a.terms.Weight < a.held*owner.terms.Weight
	if (poorer || a.terms.Spare) && !a.urgent() {
		at = max(at, since+int64(b.cfg.KeepWarm))
	}
	return at
}

// served is when s has served long enough to be given to a.
func (b *Budget) served(s *Slot, a *Account) int64 {
	if a.takes(s) || a.terms.Urgent {
		return 0
	}
	return s.opened + int64(b.cfg.Tenure)
}

// coldestFirst returns what rests, spares first, then what has rested longest.
func (b *Budget) coldestFirst() []candidate {
	var all []candidate
	for _, s := range b.slots {
		since := s.state.Load()
		if since <= 0 || s.account == nil {
			continue
		}
		rank := since
		if s.account.terms.Spare {
			rank = 0
		}
		all = append(all, candidate{s, since, rank})
	}
	slices.SortFunc(all, func(x, y candidate) int {
		return cmp.Or(cmp.Compare(x.rank, y.rank), cmp.Compare(x.since, y.since))
	})
	return all
}
