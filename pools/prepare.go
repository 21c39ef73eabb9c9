package pools

import (
	"context"
	"errors"
	"fmt"

	"github.com/poolkeeper/poolkeeper/registry"
)

// errRecordGone ends a preparation whose tenant is not to be served any more.
var errRecordGone = errors.New("pools: the tenant was suspended or removed meanwhile")

// makeReady has Config.Prepare make a tenant's data fit to be served. It
// belongs to no caller, as the creation does that it is part of. A failure is
// remembered like a database's, so that a broken tenant is not tried by each
// who asks.
func (k *Keeper) makeReady(ctx context.Context, f *flight, t *registry.Tenant) error {
	key := target{cluster: t.Cluster, tenant: t.ID.Tenant().String()} // apart from what its login is remembered by
	unasked := target{cluster: t.Cluster, server: "records", tenant: key.tenant}
	switch {
	case k.breaker.left(key) > 0:
		return fmt.Errorf("tenant %s: %w: %w", t.ID, ErrPrepare, errBackedOff)
	case k.breaker.left(unasked) > 0:
		return fmt.Errorf("tenant %s: %w: %w", t.ID, registry.ErrUnavailable, errBackedOff)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, k.cfg.PrepareTimeout,
		fmt.Errorf("pools: preparing took over %v: %w", k.cfg.PrepareTimeout, context.DeadlineExceeded))
	defer cancel()
	ctx, abandon := context.WithCancelCause(ctx)
	defer abandon(nil)
	k.preparing(f, func() { abandon(errRecordGone) })
	err := k.prepare(ctx, t)
	stale := k.preparing(f, nil)
	switch {
	case err == nil:
		k.breaker.succeeded(key)
		return nil
	case stale, k.lifetime.Err() != nil: // it starts over, or nothing does
	case errors.Is(err, registry.ErrUnavailable): // nothing is wrong with the tenant
		k.breaker.pause(unasked, k.cfg.BackoffMin)
		return fmt.Errorf("tenant %s: %w", t.ID, err)
	case k.breaker.failed(key):
		k.log.Error("tenant could not be prepared", "tenant", t.ID.String(), "cluster", t.Cluster, "error", err)
	}
	return fmt.Errorf("tenant %s: %w: %w", t.ID, ErrPrepare, err)
}

// prepare calls Config.Prepare. The data that a reader sees is its tenant's, and
// no login that may only read could make it ready.
func (k *Keeper) prepare(ctx context.Context, t *registry.Tenant) (err error) {
	if t.ID.IsReader() {
		if t, err = k.tenants.Tenant(ctx, t.ID.Tenant()); err != nil {
			return err
		}
	}
	return k.cfg.Prepare(ctx, t)
}

// preparing says how the preparation that a creation waits for is given up,
// nil for none, and reports whether its record has changed.
func (k *Keeper) preparing(f *flight, abandon func()) (stale bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f.abandon = abandon
	return f.stale
}

// abandonLocked ends the preparation of a tenant that is not to be served any
// more: whoever waits is told so now, not when it is over.
func (k *Keeper) abandonLocked(f *flight, reason Reason) {
	if f.abandon != nil && (reason == ReasonSuspended || reason == ReasonRemoved) {
		k.workers.Go(f.abandon)
	}
}
