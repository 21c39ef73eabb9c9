package control

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Replica is a process that serves from this control database.
type Replica struct {
	Name    string
	Version uint64 // the last change that it has applied
	SeenAt  time.Time
}

// Replicas lists the processes that have called Load and were seen within the
// last Config.LockTTL.
func (d *Database) Replicas(ctx context.Context) ([]Replica, error) {
	const query = `SELECT name, version, seen_at FROM poolkeeper.replicas
		WHERE version IS NOT NULL AND seen_at > clock_timestamp() - $1 * interval '1 ms' ORDER BY name, instance`
	rows, err := d.pool.Query(ctx, query, d.cfg.LockTTL.Milliseconds())
	if err != nil {
		return nil, fmt.Errorf("control: listing replicas: %w", err)
	}
	replicas, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Replica, err error) {
		err = row.Scan(&r.Name, &r.Version, &r.SeenAt)
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("control: listing replicas: %w", err)
	}
	return replicas, nil
}

// appliedEvery is how often Applied looks.
const appliedEvery = 20 * time.Millisecond

// Applied waits until every live replica has applied the version, or ctx ends;
// the error then names those that have not. A replica that falls silent is not
// waited for longer than Config.LockTTL.
func (d *Database) Applied(ctx context.Context, version uint64) error {
	ticker := time.NewTicker(appliedEvery)
	defer ticker.Stop()
	var behind []string
	for {
		replicas, err := d.Replicas(ctx)
		switch {
		case err != nil && ctx.Err() != nil && len(behind) > 0:
			return late(ctx, behind, version)
		case err != nil:
			return err
		}
		behind = nil
		for _, r := range replicas {
			if r.Version < version {
				behind = append(behind, r.Name)
			}
		}
		if len(behind) == 0 {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return late(ctx, behind, version)
		}
	}
}

func late(ctx context.Context, behind []string, version uint64) error {
	return fmt.Errorf("control: waiting for %s to apply change %d: %w", strings.Join(behind, ", "), version, ctx.Err())
}

// noteApplied tells the others what this process has applied. It is one small
// statement, so a way to the database that was cut is not waited for longer
// than for a question: whoever calls it could hear of no change meanwhile.
func (d *Database) noteApplied(ctx context.Context, q querier, version int64) error {
	ctx, cancel := context.WithTimeout(ctx, d.answering())
	defer cancel()
	const update = "UPDATE poolkeeper.replicas SET version = $2, seen_at = clock_timestamp() WHERE instance = $1"
	if _, err := q.Exec(ctx, update, d.instance, version); err != nil {
		return fmt.Errorf("telling what was applied: %w", err)
	}
	return nil
}
