package budget

import "time"

// settle brings everything in order after something changed.
func (b *Budget) settle() {
	// Before the search: a holder whose slot comes to rest after it was looked
	// at sees this, and settles again.
	b.again = 0
	b.giveUp()
	b.press()
	b.shrink()
	b.match()
	b.refill()
	b.press()
}

// giveUp no longer counts on slots that have been closing for too long: their
// server's side hangs, and there may be others to take.
func (b *Budget) giveUp() {
	patience := int64(b.cfg.Patience)
	if b.closing == 0 || patience == 0 {
		return
	}
	now := b.cfg.Now()
	for _, s := range b.slots {
		switch {
		case !s.closing || s.overdue:
		case now-s.since >= patience:
			s.overdue = true
			b.closing--
			b.unpledge(s)
		case s.pledged != nil:
			b.retryAt(s.since+patience, now)
		}
	}
}

func (b *Budget) press() { b.pressed.Store(b.wants > 0 || b.exceed > 0 || b.over()) }

// live is how much is in use and not leaving soon.
func (b *Budget) live() int { return len(b.slots) - b.closing }

// over reports whether more is in use than may be, and is not leaving.
func (b *Budget) over() bool { return b.live() > b.size }

// shrink closes what rests, coldest first, until the size and the maximum of
// every account are kept. What an account is guaranteed does not count here.
func (b *Budget) shrink() {
	if b.exceed == 0 && !b.over() {
		return
	}
	for _, c := range b.coldestFirst() {
		if (b.over() || c.slot.account.exceeds()) && c.take() {
			b.evict(c.slot, Shrunk, nil)
		}
	}
}

// match serves those who wait, first things first, as far as it can.
func (b *Budget) match() {
	now := b.cfg.Now()
	for b.wants > 0 {
		if len(b.slots) < b.size {
			b.admit(b.claimant(), now)
			continue
		}
		if b.waiting.Len() == 0 { // for all of them something is being closed
			return
		}
		if again, ok := b.serve(b.waiting.first(), now); !ok {
			b.retryAt(again, now)
			return
		}
	}
}

// claimant is who comes first for a free permission; somebody waits. Who waits
// for a slot that is being closed need not wait for that.
func (b *Budget) claimant() *Account {
	var first *Account
	if b.waiting.Len() > 0 {
		first = b.waiting.first()
	}
	if b.covered == 0 {
		return first
	}
	for _, s := range b.slots {
		if a := s.pledged; a != nil && a.wanted > 0 && (first == nil || a.before(first)) {
			first = a
		}
	}
	return first
}

// admit gives a free permission to a, or a spare connection, which is better.
func (b *Budget) admit(a *Account, now int64) {
	if b.spareFor(a) {
		if s, _ := b.victim(a, now, spares); s != nil {
			b.transfer(s, a)
			return
		}
	}
	b.grant(a)
}

// serve finds something for a when no permission is free; when there is
// nothing, it says when to look again.
func (b *Budget) serve(a *Account, now int64) (again int64, ok bool) {
	how := anything
	if b.unclaimed() {
		how = takeable
	}
	s, again := b.victim(a, now, how)
	switch {
	case s == nil && how == takeable:
		return 0, b.promise(a)
	case s == nil:
		return again, false
	}
	b.give(s, a)
	return 0, true
}

// unclaimed reports whether permissions are on their way that nobody waits for
// any more, so that nothing has to be closed for who waits now.
func (b *Budget) unclaimed() bool { return b.size-b.live() > b.covered }

// promise pledges such a one to a.
func (b *Budget) promise(a *Account) bool {
	for _, s := range b.slots {
		if p := s.pledged; s.closing && !s.overdue && (p == nil || p.pledged > p.wanted) {
			b.unpledge(s)
			b.pledge(s, a)
			return true
		}
	}
	return false
}

func (b *Budget) pledge(s *Slot, a *Account) {
	s.pledged = a
	a.pledged++
	b.reorder(a)
	if b.cfg.Patience > 0 {
		b.retryAt(s.since+int64(b.cfg.Patience), b.cfg.Now())
	}
}

func (b *Budget) unpledge(s *Slot) {
	if a := s.pledged; a != nil {
		s.pledged = nil
		a.pledged--
		b.reorder(a)
	}
}

// retryAt matches again when the slot that may be taken first has rested long
// enough; at 0 nothing rests, and whatever falls free matches by itself. Of
// several moments the first counts: every settling names all of them anew.
func (b *Budget) retryAt(at, now int64) {
	if at == 0 || b.closed {
		return
	}
	if b.again != 0 && b.again <= at {
		return
	}
	b.again = at
	wait := time.Duration(max(at-now, 0) + int64(50*time.Microsecond)) // a timer may be early by its clock's grain
	if b.retry == nil {
		b.retry = time.AfterFunc(wait, b.rematch)
		return
	}
	b.retry.Reset(wait)
}

func (b *Budget) rematch() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settle()
}

// grant gives a free permission to a.
func (b *Budget) grant(a *Account) {
	s := &Slot{budget: b, account: a, pos: len(b.slots), opened: b.cfg.Now()}
	b.slots = append(b.slots, s)
	b.receive(s, a)
}

// give hands s, which was taken or given up, to a: as it is, or closed.
func (b *Budget) give(s *Slot, a *Account) {
	if a.takes(s) {
		b.transfer(s, a)
		return
	}
	b.evict(s, Stolen, a)
}

// transfer gives s, which rests or was given up, to a.
func (b *Budget) transfer(s *Slot, a *Account) {
	if s.account.terms.Room {
		s.account.due = b.cfg.Now() + int64(b.cfg.RefillAfter)
	}
	b.rob(s)
	s.account = a
	b.receive(s, a)
}

// receive counts s for a and tells it.
func (b *Budget) receive(s *Slot, a *Account) {
	s.state.Store(stateTaken)
	if a.held == 0 && !a.terms.Spare {
		b.ghosts.returned(a.terms.Name, b.cfg.Now())
	}
	s.remember(a.mark)
	a.held++
	a.opening++
	b.reorder(a)
	b.cfg.Start(func() { a.holder.Granted(s) })
}

// evict has s closed, on behalf of a unless that is nil.
func (b *Budget) evict(s *Slot, why Why, a *Account) {
	s.state.Store(stateTaken)
	owner := s.account
	b.rob(s)
	b.closing++
	s.closing, s.since, s.account = true, b.cfg.Now(), nil
	if a != nil {
		b.pledge(s, a)
	}
	b.cfg.Start(func() { owner.holder.Evict(s, why) })
}

// rob takes s off its account, which is remembered when it was its last.
func (b *Budget) rob(s *Slot) {
	owner := s.account
	owner.held--
	b.reorder(owner)
	if owner.held == 0 && !owner.terms.Spare {
		b.ghosts.robbed(owner.terms.Name, b.cfg.Now())
	}
}

// refill opens spares while permissions are free: what is so after match,
// nobody wants.
func (b *Budget) refill() {
	for _, a := range b.spares {
		now := b.cfg.Now()
		if now < a.paused {
			continue
		}
		if now < a.due {
			b.refillAt(a, now)
			continue
		}
		for a.held < a.terms.Max && len(b.slots) < b.size {
			b.grant(a)
		}
		if a.terms.Room && b.wants == 0 {
			b.makeRoom(a)
		}
	}
}

// refillAt has the timer refill what lacks, unless it is for somebody who
// waits: then much will happen before long.
func (b *Budget) refillAt(a *Account, now int64) {
	if b.wants == 0 && a.held < a.terms.Max {
		b.retryAt(a.due, now)
	}
}

// makeRoom closes what has rested for long, as much as the spare account a
// lacks beyond what is free or on its way.
func (b *Budget) makeRoom(a *Account) {
	now := b.cfg.Now()
	for a.terms.Max-a.held > b.size-b.live() && !b.over() {
		s, again := b.victim(a, now, anything)
		if s == nil {
			if again == 0 { // nobody waits, so what comes to rest is not seen
				again = now + int64(max(b.cfg.KeepWarm, time.Second))
			}
			b.retryAt(again, now)
			return
		}
		b.evict(s, Stolen, nil)
	}
}
