package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// lockAgain is how often a lock that somebody else has is tried again.
const lockAgain = 50 * time.Millisecond

// locked does work while the tenant is locked against other operations. When
// somebody else works on the tenant, it fails at once.
func (o *Operator) locked(ctx context.Context, id registry.ID, what string, work func(context.Context) error) error {
	locked, unlock, err := o.db.Lock(ctx, id, what)
	if err != nil {
		return err
	}
	return under(locked, unlock, work)
}

// lockedInTurn is locked for work that nobody is there to ask for again: it
// waits while somebody else works on the tenant, onboard.timeout at most.
func (o *Operator) lockedInTurn(ctx context.Context, id registry.ID, what string, work func(context.Context) error) error {
	return o.lockedWithin(ctx, o.deps.Config.Timeout, id, what, work)
}

// lockedWithin is locked, once the tenant is free within a time.
func (o *Operator) lockedWithin(ctx context.Context, most time.Duration, id registry.ID, what string, work func(context.Context) error) error {
	ticker := time.NewTicker(lockAgain)
	defer ticker.Stop()
	patience := time.NewTimer(most)
	defer patience.Stop()
	for {
		locked, unlock, err := o.db.Lock(ctx, id, what)
		if err == nil {
			return under(locked, unlock, work)
		}
		if busy := (*control.BusyError)(nil); !errors.As(err, &busy) {
			return err
		}
		select {
		case <-ticker.C:
		case <-patience.C:
			return err
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
	}
}

// under does work with a lock, and says so when it was cut short because the
// lock was lost.
func under(locked context.Context, unlock func(), work func(context.Context) error) error {
	defer unlock()
	err := work(locked)
	if cause := context.Cause(locked); err != nil && errors.Is(cause, control.ErrLost) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// afterwards is for writing down what was done, also when ctx has ended. It is
// short: whoever closes waits for it, and the control database may be away.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	const enough = 5 * time.Second
	return context.WithTimeout(context.WithoutCancel(ctx), enough)
}
