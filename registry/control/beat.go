package control

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// heartbeat says that this process is there, and renews its locks, in one
// statement. What was silent for a day is not coming back under its name.
const heartbeat = `WITH here AS (
		INSERT INTO poolkeeper.replicas AS r (instance, name, version, seen_at) VALUES ($1, $2, $3, clock_timestamp())
		ON CONFLICT (instance) DO UPDATE SET seen_at = excluded.seen_at, version = greatest(r.version, excluded.version)
	), gone AS (
		DELETE FROM poolkeeper.replicas WHERE instance <> $1 AND seen_at < clock_timestamp() - interval '1 day'
	)
	UPDATE poolkeeper.locks SET expires = clock_timestamp() + $4 * interval '1 ms' WHERE token = ANY($5) RETURNING token`

// beat is one heartbeat.
func (d *Database) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.LockTTL)
	defer cancel()
	all, asked := d.held.tokens(), time.Now()
	rows, err := d.pool.Query(ctx, heartbeat, d.instance, d.name, d.seen.served(), d.cfg.LockTTL.Milliseconds(), all)
	if err != nil {
		return fmt.Errorf("telling that this process is there: %w", err)
	}
	still, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("telling that this process is there: %w", err)
	}
	d.renewed(asked, all, still)
	return nil
}

// keepBeating beats until ctx ends. A lock that could not be renewed is lost
// by its own timer.
func (d *Database) keepBeating(ctx context.Context) {
	ticker := time.NewTicker(d.cfg.LockTTL / 3)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := d.beat(ctx)
		if ctx.Err() != nil {
			return
		}
		switch {
		case err != nil && !failing:
			d.log.WarnContext(ctx, "the control database cannot be reached", "error", err)
		case err == nil && failing:
			d.log.InfoContext(ctx, "the control database can be reached again")
		}
		failing = err != nil
	}
}
