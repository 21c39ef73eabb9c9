package pools

import (
	"math"
	"time"
)

// The janitor is the one goroutine that acts as time passes. It sleeps until
// the pool used least recently may have idled enough; without pools it
// sleeps until one is published. What a sweep costs is the number of pools
// it evicts, not the number there are.

// sweepUntilStopped is the janitor's life.
func (k *Keeper) sweepUntilStopped() {
	timer := time.NewTimer(math.MaxInt64)
	defer timer.Stop()
	for {
		timer.Reset(k.sweep())
		select {
		case <-timer.C:
		case <-k.wake:
		case <-k.stop:
			return
		}
	}
}

// wakeJanitor makes it look at its deadline again; it never blocks.
func (k *Keeper) wakeJanitor() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// sweep retires what idled too long and returns how long until the next
// pool may have.
func (k *Keeper) sweep() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := int64(math.MaxInt64)
	now := k.now()
	for idleAfter, list := range k.order.lists {
		for list.Len() > 0 {
			e := k.order.oldest(list, now)
			if e == nil { // all leased: none can have idled before
				next = min(next, int64(idleAfter))
				break
			}
			if left := e.folded + int64(idleAfter) - now; left > 0 {
				next = min(next, left)
				break
			}
			if e.retireUnleased() {
				k.retireLocked(e, ReasonIdle)
			}
		}
	}
	return time.Duration(next)
}

// trimIfDue closes surplus idle connections of a pool that stays in use, once
// per idle time at most: a burst's connections do not stay for as long as one
// of them is used now and then.
func (k *Keeper) trimIfDue(e *entry, now int64) {
	due := e.trimAt.Load()
	if now < due || !e.trimAt.CompareAndSwap(due, now+int64(e.idleAfter)) {
		return
	}
	for _, s := range e.shelf.older(now - int64(e.idleAfter)) {
		k.workers.Go(func() { s.end("idle") })
	}
}
