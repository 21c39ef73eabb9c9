package pools

import (
	"container/list"
	"context"
	"time"
)

// roomQueue holds the creations that wait for room under the cap on live
// pools, in the order they came. Its elements are chan struct{}, closed when
// room was granted. Guarded by the keeper's mutex.
type roomQueue struct{ list.List }

// reserveRoom returns when one more pool may be published: because fewer
// than MaxPools are live, or because the least recently used one without
// leases was retired. While every pool is leased it waits, PoolWait at most.
func (k *Keeper) reserveRoom(ctx context.Context) error {
	// Counted before the search for a victim: whoever gives the last lease
	// of a pool back from here on sees that room is wanted.
	k.wanting.Add(1)
	defer k.wanting.Add(-1)
	granted := make(chan struct{})
	k.mu.Lock()
	place := k.rooms.PushBack(granted)
	k.grantRoomLocked()
	k.mu.Unlock()

	timer := time.NewTimer(k.cfg.PoolWait)
	defer timer.Stop()
	var err error
	select {
	case <-granted:
		return nil
	case <-timer.C:
		err = ErrPoolLimit
	case <-ctx.Done():
		err = endOf(ctx)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-granted: // in the same moment
		return nil
	default:
		k.rooms.Remove(place)
		return err
	}
}

// releaseRoom gives back room that no pool was published in.
func (k *Keeper) releaseRoom() {
	k.mu.Lock()
	k.reserved--
	k.grantRoomLocked()
	k.mu.Unlock()
}

// grantRoom serves the queue after something may have changed.
func (k *Keeper) grantRoom() {
	k.mu.Lock()
	k.grantRoomLocked()
	k.mu.Unlock()
}

// grantRoomLocked gives room to the first in the queue, as long as there is
// any to give, retiring what must go for it.
func (k *Keeper) grantRoomLocked() {
	for k.rooms.Len() > 0 {
		if k.order.size+k.reserved >= k.cfg.MaxPools && !k.retireVictimLocked() {
			return
		}
		k.reserved++
		close(k.rooms.Remove(k.rooms.Front()).(chan struct{}))
	}
}

// retireVictimLocked retires the least recently used pool without leases and
// reports whether there was one.
func (k *Keeper) retireVictimLocked() bool {
	for {
		victim := k.order.victim(k.now())
		if victim == nil {
			return false
		}
		if victim.retireUnleased() {
			k.retireLocked(victim, ReasonOverflow)
			return true
		} // leased in this very moment: look for another
	}
}
