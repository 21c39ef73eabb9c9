package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// writersOf is how many connections may write records at once: one whose turn
// it is, and one that is ready. Writers take turns anyway, and while one of
// them is held up by somebody the others must not keep the heartbeat, and those
// who read, from the database.
func writersOf(conns int) int { return max(1, conns/2) }

// takeTurn waits for the turn to write, which ends with the transaction. The
// trigger does it too, but later: everybody takes the turn first and rows
// then, or two could wait for each other.
const takeTurn = "SELECT pg_catalog.pg_advisory_xact_lock(7089336938131513954)"

// write does what writes records, in this process's turn. [ErrHeldUp] is told
// apart from what else goes wrong.
func (d *Database) write(ctx context.Context, work func(context.Context) error) error {
	select {
	case d.writers <- struct{}{}:
		defer func() { <-d.writers }()
	case <-ctx.Done():
		return fmt.Errorf("control: waiting for others to write: %w", context.Cause(ctx))
	}
	err := work(ctx)
	if held, ok := errors.AsType[*pgconn.PgError](err); ok && held.Code == "55P03" {
		return fmt.Errorf("%w: %w", ErrHeldUp, err)
	}
	return err
}

func (d *Database) writeTx(ctx context.Context, work func(context.Context, pgx.Tx) error) error {
	return d.write(ctx, func(ctx context.Context) error { return d.pool.inTx(ctx, work) })
}
