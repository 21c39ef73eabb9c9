package pools

import (
	"context"
	"fmt"

	"github.com/poolkeeper/poolkeeper/registry"
)

// flight is one creation that any number of callers wait for: the keeper's
// singleflight. It differs from golang.org/x/sync/singleflight in two ways
// that matter here. The new pool is born pinned once for every caller who
// waits, so that it cannot be evicted before they get it; and a change of
// the record meanwhile makes the creation start over, so that what is
// published is never stale.
type flight struct {
	done chan struct{} // closed when entry and err are written

	// Guarded by the keeper's mutex.
	waiters int
	stale   bool // the record changed since it was read
	landed  bool
	abandon func() // ends Config.Prepare, while that works

	// Written before done is closed, read after.
	entry *entry
	err   error
}

// leaseCold returns the tenant's pool pinned, creating it when need be.
func (k *Keeper) leaseCold(ctx context.Context, id registry.ID) (*entry, string, error) {
	k.mu.Lock()
	if k.stopping.Load() {
		k.mu.Unlock()
		return nil, "", ErrClosed
	}
	if e := k.index.find(id); e != nil && e.pin() { // published in the meantime
		k.mu.Unlock()
		return e, OutcomeHit, nil
	}
	f := k.flights[id]
	if f == nil {
		f = &flight{done: make(chan struct{})}
		k.flights[id] = f
		k.workers.Go(func() { k.fly(id, f) })
	}
	f.waiters++
	k.mu.Unlock()
	select {
	case <-f.done:
		return f.entry, OutcomeOpened, f.err
	case <-ctx.Done():
		if k.leaveFlight(f) {
			return nil, "", fmt.Errorf("tenant %s: %w: %w", id, ErrPreparing, endOf(ctx))
		}
		return nil, "", fmt.Errorf("pools: tenant %s: waiting for its pool: %w", id, endOf(ctx))
	}
}

// leaveFlight takes one waiter out; if the pool was born meanwhile, the
// waiter owns a pin of it. It reports whether Config.Prepare was what they
// waited for.
func (k *Keeper) leaveFlight(f *flight) (preparing bool) {
	k.mu.Lock()
	landed, preparing := f.landed, f.abandon != nil
	if !landed {
		f.waiters--
	}
	k.mu.Unlock()
	if landed && f.entry != nil {
		f.entry.unpin()
	}
	return preparing
}

// fly creates the pool. It belongs to no caller: its only limits are
// OpenTimeout, PrepareTimeout and the keeper's life.
func (k *Keeper) fly(id registry.ID, f *flight) {
	ctx, cancel := k.flightTime()
	for {
		tenant, err := k.lookUp(ctx, id)
		if err == nil && k.cfg.Prepare != nil {
			cancel()
			err = k.makeReady(k.lifetime, f, tenant)
			ctx, cancel = k.flightTime() //nolint:fatcontext // not within the one before: how long that took does not count
		}
		var e *entry
		if err == nil {
			e, err = k.create(ctx, tenant)
		}
		if again := k.land(ctx, f, id, e, err); !again {
			cancel()
			return
		}
	}
}

// flightTime bounds what a creation does itself.
func (k *Keeper) flightTime() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(k.lifetime, k.cfg.OpenTimeout,
		fmt.Errorf("pools: opening took over %v: %w", k.cfg.OpenTimeout, context.DeadlineExceeded))
}

// create builds the pool of a record, with room under the cap reserved. No
// connection is opened.
func (k *Keeper) create(ctx context.Context, tenant *registry.Tenant) (*entry, error) {
	if err := k.reserveRoom(ctx); err != nil {
		return nil, err
	}
	e, err := k.open(ctx, tenant)
	if err != nil {
		k.releaseRoom()
	}
	return e, err
}

// land publishes e, or err, to all who wait; it reports true instead when
// the record changed meanwhile and the creation must start over.
func (k *Keeper) land(ctx context.Context, f *flight, id registry.ID, e *entry, err error) (again bool) {
	var unborn *entry
	k.mu.Lock()
	again = f.stale && !k.stopping.Load() && ctx.Err() == nil
	if e != nil && (f.stale || k.stopping.Load()) {
		unborn, e, err = e, nil, endOf(ctx)
		k.reserved--
	}
	if err != nil && k.stopping.Load() || unborn != nil && err == nil {
		err = ErrClosed
	}
	if e != nil {
		k.publishLocked(e, f.waiters)
	}
	if f.stale = false; !again {
		delete(k.flights, id)
		f.landed, f.entry, f.err = true, e, err
		close(f.done)
	}
	k.grantRoomLocked()
	k.settleLocked()
	k.mu.Unlock()
	if unborn != nil {
		unborn.pool.Close() // it never had a connection: returns at once
	}
	if e != nil {
		k.observed(func(o Observer) { o.PoolChanged(id, e.tenant.Cluster, "") })
	}
	return again
}

func (k *Keeper) publishLocked(e *entry, pins int) {
	k.reserved--
	now := k.now()
	e.used.Store(now)
	e.trimAt.Store(now + int64(e.idleAfter))
	e.pins.Store(int64(pins))
	k.index.put(e)
	if k.order.add(e) {
		k.wakeJanitor()
	}
}
