package pools

import (
	"container/list"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

// settling is how long a reset that was sent at release takes at most as a
// rule. A connection released longer ago answers at once.
const settling = 250 * time.Microsecond

// shelf is where one tenant's idle connections rest, and where its callers
// wait for one. It stands before pgxpool, which opens connections and closes
// them: what rests here counts as acquired there. So the keeper always knows
// which connection rests and since when, and takes exactly that one, for its
// tenant or for another.
//
// Callers are served in the order they came, by what comes back or by what
// was opened, whichever is first.
type shelf struct {
	// mu guards what follows. The budget may be asked under it; nothing slow
	// happens.
	mu      sync.Mutex
	idle    []*session // the one released last is the last
	callers list.List  // of *caller
	closed  bool
	called  int64 // when the last caller came, in nanoseconds since the keeper's epoch
	gap     int64 // four times how long it is between two, on average
}

// caller waits for a connection.
type caller struct {
	since int64
	got   chan delivery // holds one
	place *list.Element
}

type delivery struct {
	session *session
	err     error
}

// take gets a connection: one that rests, or the first that comes back or is
// opened.
func (e *entry) take(ctx context.Context) (*session, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	now := e.keeper.now()
	e.shelf.mu.Lock()
	e.paceLocked(now)
	if s := e.shelf.popLocked(now); s != nil {
		e.shelf.mu.Unlock()
		return s, nil
	}
	w, err := e.waitLocked(now)
	e.shelf.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return e.await(ctx, w)
}

// strange is the pace of a tenant that came for the first time: it is not
// expected back soon.
const strange = int64(time.Second)

// paceLocked keeps an average of the time between callers, in which the last
// few count most, and lets the budget know.
func (e *entry) paceLocked(now int64) {
	h := &e.shelf
	switch last := h.called; {
	case last == 0:
		h.gap = 4 * strange
	case h.gap == 4*strange:
		h.gap = 4 * (now - last)
	default:
		h.gap += now - last - h.gap/4
	}
	h.called = max(now, 1)
	e.account.Pace(h.gap / 4)
}

// popLocked takes the connection released last, unless its reset may still
// run while another's is over.
func (h *shelf) popLocked(now int64) *session {
	for n := len(h.idle); n > 0; n = len(h.idle) {
		at := n - 1
		if n > 1 && h.idle[at].settlingAt(now) && !h.idle[at-1].settlingAt(now) {
			at--
		}
		s := h.idle[at]
		h.idle = slices.Delete(h.idle, at, at+1)
		since := s.slot.Rested()
		if !s.slot.Take() { // the budget was first, or the socket was closed meanwhile
			if s.slot.Freed() {
				s.entry.keeper.workers.Go(func() { s.end("") })
			}
			continue
		}
		if why := s.mustEnd(now); why != "" {
			s.entry.keeper.workers.Go(func() { s.end(why) })
			continue
		}
		if rest := time.Duration(now - since); rest >= peekAfter {
			s.rest = rest
		}
		return s
	}
	return nil
}

func (s *session) settlingAt(now int64) bool {
	return s.pending && now-s.resetAt < int64(settling)
}

// waitLocked queues a caller, and has a connection opened for it where the
// limits allow.
func (e *entry) waitLocked(now int64) (*caller, error) {
	h := &e.shelf
	if h.closed {
		return nil, ErrDrained
	}
	if held, _, _ := e.account.Numbers(); held == 0 {
		if left := e.backoffLeft(); left > 0 { // nothing can come back either
			return nil, errBackedOff
		}
	}
	w := &caller{since: now, got: make(chan delivery, 1)}
	w.place = h.callers.PushBack(w)
	if err := e.askLocked(); err != nil {
		h.callers.Remove(w.place)
		return nil, refusalOf(err)
	}
	return w, nil
}

// refusalOf names a refusal of the budget's in this package's words.
func refusalOf(err error) error {
	switch err { //nolint:errorlint // the budget returns them as they are
	case budget.ErrOwnQueue:
		return ErrTenantQueue
	case budget.ErrQueue:
		return ErrClusterQueue
	default:
		return ErrDrained
	}
}

// askLocked tells the budget how many wait.
func (e *entry) askLocked() error { return e.account.Ask(e.shelf.waitingLocked()) }

// waitingLocked returns how many wait, and since when the first of them does.
func (h *shelf) waitingLocked() (callers int, since int64) {
	if first := h.callers.Front(); first != nil {
		since = first.Value.(*caller).since //nolint:forcetypeassert // the list holds nothing else
	}
	return h.callers.Len(), since
}

// await waits for a connection, until the context or the queue's time ends.
// Who has one being opened waits for that, which ends by itself.
func (e *entry) await(ctx context.Context, w *caller) (*session, error) {
	timer := time.NewTimer(e.keeper.cfg.QueueTimeout)
	defer timer.Stop()
	var err error
	for err == nil {
		select {
		case d := <-w.got:
			return d.session, d.err
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-timer.C:
			if e.comes(w) {
				timer.Reset(e.keeper.cfg.ConnectTimeout)
				continue
			}
			err = e.late()
		}
	}
	if d, ok := e.leave(w); ok {
		if ctx.Err() == nil || d.err != nil {
			return d.session, d.err
		}
		e.giveBack(d.session)
	}
	return nil, err
}

// comes reports whether a connection is being opened that w will get.
func (e *entry) comes(w *caller) bool {
	e.shelf.mu.Lock()
	defer e.shelf.mu.Unlock()
	rank := 1
	for at := e.shelf.callers.Front(); at != nil && at != w.place; at = at.Next() {
		rank++
	}
	return e.account.Covered(rank)
}

// late names the limit that a caller has waited for in vain.
func (e *entry) late() error {
	if e.account.AtMax() {
		return ErrTenantTimeout
	}
	return ErrBudget
}

// leave takes w out of the queue, unless it was served in the same moment.
func (e *entry) leave(w *caller) (served delivery, ok bool) {
	e.shelf.mu.Lock()
	defer e.shelf.mu.Unlock()
	select {
	case served = <-w.got:
		return served, true
	default:
		e.shelf.callers.Remove(w.place)
		_ = e.askLocked() // fewer than before are never refused
		return delivery{}, false
	}
}

// giveBack hands a session in good order to who comes first, or lets it rest.
func (e *entry) giveBack(s *session) {
	if why := s.mustEnd(e.keeper.now()); why != "" {
		s.end(why)
		return
	}
	h := &e.shelf
	h.mu.Lock()
	callers, since := h.waitingLocked()
	switch {
	case h.closed:
		h.mu.Unlock()
		s.end("")
	case callers == 0:
		h.restLocked(s)
		h.mu.Unlock()
		s.slot.Settle()
	case s.slot.Yield(since):
		h.mu.Unlock()
	default:
		h.serveLocked(delivery{session: s})
		_ = e.askLocked() // likewise
		h.mu.Unlock()
	}
}

// restLocked lets s rest.
func (h *shelf) restLocked(s *session) {
	h.idle = append(h.idle, s)
	s.slot.Rest(s.entry.keeper.now())
}

// serveLocked gives d to the first caller, if there is one.
func (h *shelf) serveLocked(d delivery) bool {
	first := h.callers.Front()
	if first == nil {
		return false
	}
	h.callers.Remove(first).(*caller).got <- d //nolint:forcetypeassert // the list holds nothing else
	return true
}

// arrived hands out a session that was opened.
func (e *entry) arrived(s *session) {
	h := &e.shelf
	h.mu.Lock()
	s.slot.Use()
	switch served := !h.closed && h.serveLocked(delivery{session: s}); {
	case served, h.closed:
	default:
		h.restLocked(s)
	}
	e.account.Opened(h.waitingLocked())
	closed := h.closed
	h.mu.Unlock()
	if closed {
		s.end("")
	}
}

// missed tells the first caller why no session was opened.
func (e *entry) missed(err error) {
	h := &e.shelf
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serveLocked(delivery{err: err})
	if e.spare() { // nobody waits for it: it may take its time
		e.account.Pause(e.keeper.now() + int64(e.keeper.cfg.BackoffMax))
	}
	e.account.Failed(h.waitingLocked())
}

// forget takes a session off the shelf that is no longer the tenant's.
func (h *shelf) forget(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if at := slices.Index(h.idle, s); at >= 0 {
		h.idle = slices.Delete(h.idle, at, at+1)
	}
}

// close lets nobody in any more; it refuses who waits, and returns what
// rests.
func (h *shelf) close(tenant fmt.Stringer) (resting []*session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for h.serveLocked(delivery{err: fmt.Errorf("tenant %s: %w", tenant, ErrDrained)}) {
		continue
	}
	for _, s := range h.idle {
		if s.slot.Take() || s.slot.Freed() {
			resting = append(resting, s)
		}
	}
	h.idle = nil
	return resting
}

// resting returns how many connections rest.
func (h *shelf) resting() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.idle {
		if s.slot.Rested() > 0 {
			n++
		}
	}
	return n
}

// waiting returns how many callers wait.
func (h *shelf) waiting() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.callers.Len()
}

// older takes the connections that have rested since before the given time.
func (h *shelf) older(before int64) (old []*session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.idle = slices.DeleteFunc(h.idle, func(s *session) bool {
		since := s.slot.Rested()
		if since == 0 || since >= before || !s.slot.Take() {
			return false
		}
		old = append(old, s)
		return true
	})
	return old
}
