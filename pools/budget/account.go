package budget

import (
	"container/heap"
	"hash/maphash"
	"slices"
	"sync/atomic"
)

// Terms are what an account is granted by.
type Terms struct {
	// Name tells accounts apart over time: one that is opened again under the
	// same name is the same holder.
	Name string
	// Max is the most slots of the account.
	Max int
	// Queue is the most callers that may wait beyond those.
	Queue int
	// Guaranteed is how many of its slots are never taken for others.
	Guaranteed int
	// Weight is its share under contention; at least 1.
	Weight int
	// Gives names the kind of connection that rests on its slots; "" means
	// one that nobody else can use.
	Gives string
	// Takes are the kinds that the account can take over.
	Takes []string
	// Spare accounts have no callers: up to Max slots that nobody wants are
	// kept resting for others.
	Spare bool
	// Room has a spare account filled also when every permission is in use:
	// what has rested for KeepWarm is closed for it. It is for connections
	// that do what none that rests with somebody can.
	Room bool
	// Urgent accounts come before all others, and are not refused because
	// those are many.
	Urgent bool
}

// Account is one holder's part of a budget.
type Account struct {
	budget *Budget
	holder Holder
	mark   uint32       // of its name, remembered by slots
	excess atomic.Bool  // it holds more than its maximum
	pace   atomic.Int64 // how long it is between two callers, 0: not known

	// Guarded by the budget's mutex.
	terms   Terms
	held    int   // slots
	opening int   // of them, granted and not opened yet
	pledged int   // slots of others that are being closed for it
	callers int   // who wait
	since   int64 // when the first of them came
	wanted  int   // what it counts for in Budget.wants
	covered int   // and in Budget.covered
	paused  int64 // a spare account is not refilled before
	due     int64 // nor before, which a timer is for
	closed  bool
	place   int // in the heap of those who wait, or -1
}

var markSeed = maphash.MakeSeed() //nolint:gochecknoglobals // a seed, never changed

// Open returns an account that holds nothing.
func (b *Budget) Open(terms Terms, holder Holder) *Account {
	a := &Account{
		budget: b, holder: holder, terms: terms, place: -1,
		mark: uint32(maphash.String(markSeed, terms.Name)) | 1, //nolint:gosec // the low half is as good a hash
	}
	if terms.Spare {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.spares = append(b.spares, a)
		b.settle()
	}
	return a
}

// Ask says how many callers wait and since when the first of them does. When
// there are more than before, it may refuse; then there are as many as before.
func (a *Account) Ask(callers int, since int64) error {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.closed {
		return ErrClosed
	}
	before := a.callers
	a.callers, a.since = callers, since
	b.reorder(a)
	b.settle()
	switch {
	case callers <= before:
	case callers-a.opening-a.wanted > a.terms.Queue:
		return a.refuse(before, ErrOwnQueue)
	case a.wanted > 0 && b.wants > b.queue && !a.terms.Urgent:
		return a.refuse(before, ErrQueue)
	}
	return nil
}

func (a *Account) refuse(before int, err error) error {
	a.callers = before
	a.budget.reorder(a)
	a.budget.settle()
	return err
}

// Opened says that the connection of a granted slot is there, and who waits
// now.
func (a *Account) Opened(callers int, since int64) { a.ended(callers, since) }

// Failed says that the connection of a granted slot could not be had, and who
// waits now. The slot stays the account's until it is freed.
func (a *Account) Failed(callers int, since int64) { a.ended(callers, since) }

func (a *Account) ended(callers int, since int64) {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	a.opening--
	a.callers, a.since = callers, since
	b.reorder(a)
	b.settle()
}

// Pause keeps a spare account from being refilled before the given time.
// Nothing ticks: it is refilled when something happens after that.
func (a *Account) Pause(until int64) {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	a.paused = until
}

// Excess reports whether it holds more than its maximum, which was lowered: a
// connection that comes back should be closed.
func (a *Account) Excess() bool { return a.excess.Load() }

// Adjust changes the terms that may change while the account is in use: Max,
// Queue, Guaranteed, Weight and Takes. What it holds beyond a smaller Max is
// closed when it rests.
func (a *Account) Adjust(to Terms) {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.closed {
		to.Guaranteed = 0
	}
	a.terms.Max, a.terms.Queue, a.terms.Guaranteed, a.terms.Weight = to.Max, to.Queue, to.Guaranteed, to.Weight
	a.terms.Takes = to.Takes
	b.reorder(a)
	b.settle()
}

// Close ends the account's claims: nothing more is granted to it. Slots that
// it holds are its own until they are freed; none is guaranteed any more.
func (a *Account) Close() {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	a.closed, a.callers, a.terms.Guaranteed = true, 0, 0
	b.spares = slices.DeleteFunc(b.spares, func(x *Account) bool { return x == a })
	b.reorder(a)
	b.settle()
}

// Pace says how long it is between two callers of the account, as far as can
// be told. It may be called at any time, with any lock held.
func (a *Account) Pace(gap int64) { a.pace.Store(gap) }

// coldSince is when a slot that rests since then counts as having come to
// rest: who comes rarely is not expected back soon because it was here just
// now.
func (a *Account) coldSince(since, now int64) int64 { return min(since, now-a.pace.Load()) }

// Numbers returns what the account holds, how much of it is being opened, and
// what it waits for beyond.
func (a *Account) Numbers() (held, opening, wanted int) {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	return a.held, a.opening, a.wanted
}

// Covered reports whether slots that are being opened suffice for as many
// callers.
func (a *Account) Covered(callers int) bool {
	_, opening, _ := a.Numbers()
	return opening >= callers
}

// AtMax reports whether it is the account's own limit that callers wait for.
func (a *Account) AtMax() bool {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	return a.held >= a.terms.Max
}

func (a *Account) takes(s *Slot) bool {
	kind := s.account.terms.Gives
	return kind != "" && slices.Contains(a.terms.Takes, kind)
}

// exceeds reports whether it holds more than its maximum.
func (a *Account) exceeds() bool { return a.held > a.terms.Max }

// reorder brings what the account counts for up to date.
func (b *Budget) reorder(a *Account) {
	if exceeds := a.exceeds(); exceeds != a.excess.Swap(exceeds) {
		if exceeds {
			b.exceed++
		} else {
			b.exceed--
		}
	}
	wants := 0
	if !a.closed {
		wants = max(0, min(a.callers-a.opening, a.terms.Max-a.held))
	}
	covered := min(wants, a.pledged)
	b.wants += wants - a.wanted
	b.covered += covered - a.covered
	a.wanted, a.covered = wants, covered
	switch in := wants > a.pledged; {
	case in && a.place >= 0:
		heap.Fix(&b.waiting, a.place)
	case in:
		heap.Push(&b.waiting, a)
	case a.place >= 0:
		heap.Remove(&b.waiting, a.place)
	}
}

// before reports whether a comes before other.
func (a *Account) before(other *Account) bool {
	if first, second := a.urgent(), other.urgent(); first != second {
		return first
	}
	if mine, theirs := a.held*other.terms.Weight, other.held*a.terms.Weight; mine != theirs {
		return mine < theirs
	}
	return a.since < other.since
}

// urgent reports whether the account is below its guarantee, or always first.
func (a *Account) urgent() bool { return a.terms.Urgent || a.held < a.terms.Guaranteed }

// waiting is a heap of accounts, the one that comes first on top.
type waiting []*Account

func (w waiting) first() *Account    { return w[0] }
func (w waiting) Len() int           { return len(w) }
func (w waiting) Less(i, j int) bool { return w[i].before(w[j]) }
func (w waiting) Swap(i, j int)      { w[i], w[j] = w[j], w[i]; w[i].place, w[j].place = i, j }

// Push is heap.Interface's.
func (w *waiting) Push(x any) {
	a := x.(*Account) //nolint:forcetypeassert // the heap holds nothing else
	a.place = len(*w)
	*w = append(*w, a)
}

// Pop is heap.Interface's.
func (w *waiting) Pop() any {
	last := len(*w) - 1
	a := (*w)[last]
	(*w)[last], a.place = nil, -1
	*w = (*w)[:last]
	return a
}
