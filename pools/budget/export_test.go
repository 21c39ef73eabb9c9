package budget

import "fmt"

// PledgedTo is for whom the slot is being closed.
func (s *Slot) PledgedTo() *Account {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	return s.pledged
}

// TakesAfter looks for a slot that can be spared for the account, and takes it
// when something else has happened between: nothing more follows.
func (a *Account) TakesAfter(between func()) bool {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	now := a.budget.cfg.Now()
	a.since = now
	found := a.budget.search(a, now, anything)
	best := found.best(now, anything)
	between()
	return best.take()
}

// Audit counts again what the budget keeps count of.
func (b *Budget) Audit(accounts []*Account) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	held, pledged, closing := map[*Account]int{}, map[*Account]int{}, 0
	for i, s := range b.slots {
		if s.pos != i || s.freed || s.closing == (s.account != nil) || s.pledged != nil && !s.closing {
			return fmt.Errorf("slot %d of %d: %+v", i, len(b.slots), s)
		}
		if s.closing {
			closing++
			pledged[s.pledged]++
			continue
		}
		held[s.account]++
	}
	wants, covered, exceed, waits := 0, 0, 0, 0
	for _, a := range accounts {
		if a.held != held[a] || a.pledged != pledged[a] || a.opening < 0 || a.opening > a.held {
			return fmt.Errorf("account %s: held %d, counted %d; pledged %d, counted %d; opening %d",
				a.terms.Name, a.held, held[a], a.pledged, pledged[a], a.opening)
		}
		wants += a.wanted
		covered += min(a.wanted, a.pledged)
		if a.Excess() != (a.held > a.terms.Max) {
			return fmt.Errorf("account %s: excess %v, held %d", a.terms.Name, a.Excess(), a.held)
		}
		if a.Excess() {
			exceed++
		}
		if in := a.wanted > a.pledged; in != (a.place >= 0) || in && b.waiting[a.place] != a {
			return fmt.Errorf("account %s: place %d", a.terms.Name, a.place)
		} else if in {
			waits++
		}
	}
	if wants != b.wants || covered != b.covered || exceed != b.exceed || closing != b.closing || waits != len(b.waiting) {
		return fmt.Errorf("wants %d, counted %d; covered %d, %d; exceed %d, %d; closing %d, %d; waiting %d, %d",
			b.wants, wants, b.covered, covered, b.exceed, exceed, b.closing, closing, len(b.waiting), waits)
	}
	for i := range b.waiting {
		if b.waiting[i].before(b.waiting[0]) {
			return fmt.Errorf("account %s is not on top", b.waiting[i].terms.Name)
		}
	}
	if b.pressed.Load() != (b.wants > 0 || b.exceed > 0 || b.over()) {
		return fmt.Errorf("pressed is %v", b.pressed.Load())
	}
	return nil
}
