package pools

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// gate lets at most max callers of one tenant at its connections at a time;
// the others queue in the order they came. It stands in front of pgxpool, so
// that the queue has a bound and an end of its own, and so that a caller who
// is through the gate waits for nothing but its connection.
//
// demand counts those inside plus those queued. Below max it moves by
// compare-and-swap alone, which is the whole cost of an uncontended caller.
// From max on it moves under mu only, together with the queue: a leaver who
// finds somebody queued hands its place over and demand falls by one.
type gate struct {
	max    int64
	demand atomic.Int64

	// mu guards queue. Nothing slow happens under it.
	mu    sync.Mutex
	queue list.List // of chan struct{}, closed when the place is handed over
}

// enter returns nil when the caller is in: it must leave. It refuses at once
// when limit callers queue already, after wait when no place fell free, and
// with the context's error when that ends first.
func (g *gate) enter(ctx context.Context, limit int, wait time.Duration) error {
	if g.tryEnter() {
		return nil
	}
	g.mu.Lock()
	if g.enterLocked() {
		g.mu.Unlock()
		return nil
	}
	if g.queue.Len() >= limit {
		g.demand.Add(-1)
		g.mu.Unlock()
		return ErrTenantQueue
	}
	turn := make(chan struct{})
	place := g.queue.PushBack(turn)
	g.mu.Unlock()
	return g.await(ctx, place, turn, wait)
}

func (g *gate) tryEnter() bool {
	for {
		n := g.demand.Load()
		if n >= g.max {
			return false
		}
		if g.demand.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// enterLocked counts the caller in demand and reports whether it is inside;
// if not it must queue or take itself back, before mu is released.
func (g *gate) enterLocked() bool {
	return g.demand.Add(1) <= g.max
}

func (g *gate) await(ctx context.Context, place *list.Element, turn chan struct{}, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	err := ErrTenantTimeout
	select {
	case <-turn:
		return nil
	case <-timer.C:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-turn: // handed over in the same moment: the place counts
		if err == ErrTenantTimeout { //nolint:errorlint // our own local value
			return nil
		}
		g.leaveLocked()
	default:
		g.queue.Remove(place)
		g.demand.Add(-1)
	}
	return err
}

// leave gives the caller's place to the first in the queue, or up.
func (g *gate) leave() {
	for {
		n := g.demand.Load()
		if n > g.max {
			g.mu.Lock()
			g.leaveLocked()
			g.mu.Unlock()
			return
		}
		if g.demand.CompareAndSwap(n, n-1) {
			return
		}
	}
}

func (g *gate) leaveLocked() {
	g.demand.Add(-1)
	if first := g.queue.Front(); first != nil {
		close(g.queue.Remove(first).(chan struct{}))
	}
}

// waiting returns how many queue.
func (g *gate) waiting() int {
	return int(max(0, g.demand.Load()-g.max))
}
