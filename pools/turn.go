package pools

import (
	"context"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/semaphore"
)

// dialInTurn dials when not too many do already, so that a burst of cold
// tenants is no storm of logins.
func (o *opening) dialInTurn() (*session, error) {
	turns, alive := o.entry.cluster.dials.Load(), o.entry.keeper.lifetime
	if !turns.TryAcquire(1) {
		if err := o.awaitTurn(turns); err != nil {
			return nil, err
		}
		stagger(alive)
	}
	defer turns.Release(1)
	return o.connect()
}

// awaitTurn waits for its turn as long as a caller may. What has failed
// meanwhile is not tried.
func (o *opening) awaitTurn(turns *semaphore.Weighted) error {
	e, k := o.entry, o.entry.keeper
	ctx, cancel := context.WithTimeout(k.lifetime, k.cfg.QueueTimeout)
	defer cancel()
	switch err := turns.Acquire(ctx, 1); {
	case k.lifetime.Err() != nil:
		if err == nil {
			turns.Release(1)
		}
		return ErrDrained
	case err != nil:
		return ErrBudget
	case k.breaker.shut(e.target):
		turns.Release(1)
		return errBackedOff
	default:
		return nil
	}
}

// apart is how far apart dials begin at most that had to wait for their turn.
const apart = 2 * time.Millisecond

// stagger waits for a random moment, so that those who waited together do not
// arrive together.
func stagger(ctx context.Context) {
	timer := time.NewTimer(time.Duration(rand.Int64N(int64(apart)))) //nolint:gosec // jitter, not a secret
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
