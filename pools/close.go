package pools

import (
	"context"
	"fmt"
	"sync"
)

// Drain refuses new leases with ErrClosed, retires every pool, and returns
// when the last lease was given back and its pool closed, or with the
// context's error.
func (k *Keeper) Drain(ctx context.Context) error {
	k.mu.Lock()
	k.stopping.Store(true)
	for _, e := range k.order.all() {
		e.pins.Or(retiredBit)
		k.retireLocked(e, ReasonShutdown)
	}
	k.grantRoomLocked() // creations that wait for room go on, and find the keeper closed
	k.settleLocked()
	k.mu.Unlock()
	select {
	case <-k.drained:
		return nil
	case <-ctx.Done():
		return endOf(ctx)
	}
}

// Close drains until ctx ends, then cuts the connections that are still held.
// When it returns, no goroutine, timer or socket of the keeper is left. The
// error says how many leases were not given back and how many connections.
func (k *Keeper) Close(ctx context.Context) error {
	var leases, conns int
	if k.Drain(ctx) != nil {
		leases, conns = k.cutDraining()
	}
	k.end()
	<-k.drained
	for _, c := range k.clusters {
		c.closeSpares()
		c.budget.Close()
	}
	k.stopOnce.Do(func() { close(k.stop) })
	k.workers.Wait()
	if leases > 0 || conns > 0 {
		return fmt.Errorf("pools: closed with %d leases cut, %d connections held: %w", leases, conns, endOf(ctx))
	}
	return nil
}

// cutDraining cuts every pool that is left, and counts the leases and the
// connections that are held.
func (k *Keeper) cutDraining() (leases, conns int) {
	k.end() // creations in flight end, and with them their dials
	k.mu.Lock()
	left := make([]*entry, 0, len(k.draining))
	for e := range k.draining {
		left = append(left, e)
		leases += int(e.pins.Load() &^ retiredBit)
		conns += e.lent()
		k.startCloseLocked(e)
	}
	k.mu.Unlock()
	var cuts sync.WaitGroup
	for _, e := range left {
		cuts.Go(e.cutAll)
	}
	cuts.Wait()
	return leases, conns
}
