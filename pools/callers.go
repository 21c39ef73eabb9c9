package pools

import (
	"container/list"
	"context"
	"errors"
	"time"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

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
		return nil, endOf(ctx)
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
	switch {
	case errors.Is(err, budget.ErrOwnQueue):
		return ErrTenantQueue
	case errors.Is(err, budget.ErrQueue):
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
	timer := time.NewTimer(orDefault(e.record.Load().Limits.QueueTimeout, e.keeper.cfg.QueueTimeout))
	defer timer.Stop()
	var err error
	for err == nil {
		select {
		case d := <-w.got:
			return d.session, d.err
		case <-ctx.Done():
			err = endOf(ctx)
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

// serveLocked gives d to the first caller, if there is one.
func (h *shelf) serveLocked(d delivery) bool {
	first := h.callers.Front()
	if first == nil {
		return false
	}
	h.callers.Remove(first).(*caller).got <- d //nolint:forcetypeassert // the list holds nothing else
	return true
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

// lost asks anew for what was granted and is not there any more.
func (e *entry) lost() {
	e.shelf.mu.Lock()
	defer e.shelf.mu.Unlock()
	e.account.Failed(e.shelf.waitingLocked())
}

// waiting returns how many callers wait.
func (h *shelf) waiting() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.callers.Len()
}
