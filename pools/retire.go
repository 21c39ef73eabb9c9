package pools

import (
	"math"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// invalidate retires the tenant's pool and makes a creation in flight start
// over; it reports whether there was a pool.
func (k *Keeper) invalidate(id registry.ID, reason Reason) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := k.flights[id]; f != nil {
		f.stale = true
		k.abandonLocked(f, reason)
	}
	if reason != ReasonEvicted { // the record is another one
		delete(k.overrides, id)
	}
	e := k.index.find(id)
	if e == nil {
		return false
	}
	e.pins.Or(retiredBit)
	k.retireLocked(e, reason)
	k.grantRoomLocked()
	return true
}

// retireLocked takes e, whose retiredBit is set, out of lookup. Without
// leases it is closed now, in a goroutine of its own; else by the last
// release, or cut at the drain deadline.
func (k *Keeper) retireLocked(e *entry, reason Reason) {
	k.index.remove(e.tenant.ID)
	k.order.remove(e)
	k.draining[e] = struct{}{}
	e.reason = reason
	if reason != ReasonShutdown { // then Close's context is the deadline
		e.drain = time.AfterFunc(k.cfg.DrainTimeout, e.cutAtDeadline)
	}
	k.workers.Go(func() {
		k.observed(func(o Observer) { o.PoolChanged(e.tenant.ID, e.tenant.Cluster, reason) })
	})
	if e.pins.Load() == retiredBit {
		k.startCloseLocked(e)
		return
	}
	if reason == ReasonSuspended || reason == ReasonRemoved {
		k.workers.Go(e.endIdle)
	}
}

// endIdle closes what rests while the leases of a tenant that is not served
// any more run out: its database may be about to go, or its server to be told
// that nobody is there.
func (e *entry) endIdle() {
	for _, s := range e.shelf.older(math.MaxInt64) {
		s.end("")
	}
}

// closeRetired is called by whoever gave the last lease of a retired entry
// back. A late pin that failed may call it too: closing starts once.
func (k *Keeper) closeRetired(e *entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.startCloseLocked(e)
}

func (k *Keeper) startCloseLocked(e *entry) {
	if e.closing {
		return
	}
	e.closing = true
	k.workers.Go(func() { k.closeEntry(e) })
}

// closeEntry closes the pool, which waits for connections that are still
// held although the leases were given back, until the drain deadline.
func (k *Keeper) closeEntry(e *entry) {
	e.account.Close()
	for _, s := range e.shelf.close(e.tenant.ID) {
		s.end("")
	}
	e.pool.Close()
	k.mu.Lock()
	defer k.mu.Unlock()
	if e.drain != nil {
		e.drain.Stop()
	}
	delete(k.draining, e)
	k.settleLocked()
}

// cutAtDeadline ends the patience with whoever holds on to a retired pool.
func (e *entry) cutAtDeadline() {
	k := e.keeper
	k.mu.Lock()
	_, draining := k.draining[e]
	if draining {
		k.startCloseLocked(e)
		k.workers.Go(e.cutAll)
	}
	reason := e.reason
	k.mu.Unlock()
	if draining {
		k.log.Warn("drain deadline passed, connections cut", "tenant", e.tenant.ID.String(),
			"reason", string(reason), "leases", e.pins.Load()&^retiredBit)
	}
}

// settleLocked tells Close when there is nothing left.
func (k *Keeper) settleLocked() {
	if !k.stopping.Load() || k.order.size > 0 || len(k.draining) > 0 || len(k.flights) > 0 {
		return
	}
	select {
	case <-k.drained:
	default:
		close(k.drained)
	}
}
