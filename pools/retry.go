package pools

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Retry says how often, and how soon, a transaction is run again that
// PostgreSQL ended in favour of others. Its zero value is ready to use.
type Retry struct {
	// Attempts is how often the transaction is run in all. Default 5.
	Attempts int
	// Wait is the longest wait before the second attempt; it doubles with
	// each that follows, up to MaxWait. Half of every wait is drawn at random,
	// so that those who were in each other's way do not meet again. Defaults
	// 10ms and 1s.
	Wait, MaxWait time.Duration
}

// Defaults of Retry.
const (
	retryAttempts = 5
	retryWait     = 10 * time.Millisecond
	retryMaxWait  = time.Second
)

// Retryable reports whether err, returned by a transaction, means that the same
// transaction may succeed when it is run again as a whole: PostgreSQL could not
// serialize it with others (SQLSTATE 40001), or found it in a deadlock (40P01).
// Nothing of it has happened.
func Retryable(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == "40001" || pg.Code == "40P01")
}

// Do runs transaction until it returns nil, or an error that is not
// [Retryable], or has run as often as it may; the last error is returned. It
// must run a transaction from beginning to end, such as [Lease.InTx] does, and
// must be repeatable: all that it does is done in that transaction, or may be
// done several times.
//
//	err := pools.Retry{Attempts: 10}.Do(ctx, func() error {
//		return lease.InTx(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable}, work)
//	})
//
// No connection is held during a wait. A context that ends during one ends Do,
// with the context's error and the last one.
func (r Retry) Do(ctx context.Context, transaction func() error) error {
	r = r.complete()
	for attempt := 1; ; attempt++ {
		err := transaction()
		if err == nil || !Retryable(err) || attempt >= r.Attempts {
			return err
		}
		if late := r.pause(ctx, attempt); late != nil {
			return fmt.Errorf("pools: waiting to run a transaction again: %w: %w", late, err)
		}
	}
}

func (r Retry) complete() Retry {
	if r.Attempts <= 0 {
		r.Attempts = retryAttempts
	}
	if r.Wait <= 0 {
		r.Wait = retryWait
	}
	if r.MaxWait <= 0 {
		r.MaxWait = max(r.Wait, retryMaxWait)
	}
	return r
}

// pause waits after so many attempts.
func (r Retry) pause(ctx context.Context, attempts int) error {
	timer := time.NewTimer(r.draw(attempts))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return endOf(ctx)
	}
}

// draw returns half of what may be waited after so many attempts, and a random
// part of the other half.
func (r Retry) draw(attempts int) time.Duration {
	wait := r.Wait
	for range attempts - 1 {
		if wait >= r.MaxWait/2 {
			wait = r.MaxWait
			break
		}
		wait *= 2
	}
	wait = min(wait, r.MaxWait)
	return wait/2 + time.Duration(rand.Int64N(int64(wait)/2+1)) //nolint:gosec // jitter, not a secret
}
