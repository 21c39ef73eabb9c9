package pools

import (
	"container/list"
	"fmt"
	"slices"
	"sync"
	"time"
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
