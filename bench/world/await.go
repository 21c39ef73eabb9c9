package world

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// A backend outlives its client's close by a moment, and the next measurement
// must not pay for the connections of the last.

// AwaitQuiet returns when at most left sessions of clients are there.
func (w *World) AwaitQuiet(ctx context.Context, left int) error {
	return w.await(ctx, left, "SELECT count(*) "+clients)
}

// AwaitGone returns when none of the backends is there.
func (w *World) AwaitGone(ctx context.Context, backends []int32) error {
	return w.await(ctx, 0, "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY($1)", backends)
}

// await asks until the server counts no more than left.
func (w *World) await(ctx context.Context, left int, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, w.Server.AdminDSN(database))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for {
		var n int
		err := conn.QueryRow(ctx, sql, args...).Scan(&n)
		if err == nil && n <= left {
			return nil
		}
		if err == nil {
			_, err = conn.Exec(ctx, "SELECT pg_sleep(0.005)")
		}
		if err != nil {
			return fmt.Errorf("world: %d sessions are left, not %d: %w", n, left, err)
		}
	}
}
