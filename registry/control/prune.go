package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// pruneEvery is how often a process looks for what is old enough to go.
const pruneEvery = time.Hour

// pruned is how many rows go in one statement: others want to write as well.
const pruned = 5000

// setMark notes the last number of now, once a day. A number that stays the
// same keeps its time.
const setMark = `INSERT INTO poolkeeper.marks (version) SELECT ` + lastNumber + `
	WHERE NOT EXISTS (SELECT FROM poolkeeper.marks WHERE at > clock_timestamp() - interval '1 day') ON CONFLICT (version) DO NOTHING`

// forget moves the line up to which tombstones may go, and says so to whoever
// follows before the first one goes. $1 is how old they have to be.
const forget = `WITH line AS (SELECT max(version) AS version FROM poolkeeper.marks WHERE at < clock_timestamp() - $1 * interval '1 ms'),
	passed AS (DELETE FROM poolkeeper.marks USING line WHERE marks.version < line.version)
	UPDATE poolkeeper.marks SET forgotten = true FROM line WHERE marks.version = line.version AND NOT forgotten`

// The tombstone with the last number stays: who follows compares that number.
const dropTombstones = `DELETE FROM poolkeeper.%[1]s WHERE id IN (SELECT id FROM poolkeeper.%[1]s
	WHERE version <= (SELECT max(version) FROM poolkeeper.marks WHERE forgotten) AND version < ` + lastNumber + ` LIMIT $1)`

// An operation whose process died has no end, only a last word.
const dropOperations = `DELETE FROM poolkeeper.operations WHERE id IN (SELECT id FROM poolkeeper.operations o
	WHERE coalesce(ended, updated) < clock_timestamp() - $2 * interval '1 ms'
		AND (state <> 'running' OR NOT EXISTS (SELECT FROM poolkeeper.replicas r WHERE r.instance = o.instance)) LIMIT $1)`

// keepPruning prunes until ctx ends.
func (d *Database) keepPruning(ctx context.Context) {
	if d.cfg.Keep == 0 {
		return
	}
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		n, err := d.Prune(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			d.log.WarnContext(ctx, "what is older than control.keep stays for now", "error", err)
		case n > 0:
			d.log.InfoContext(ctx, "what is older than control.keep was removed", "rows", n)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Prune removes operations that ended, and what tells of tenants and keys that
// were deleted, when that was longer ago than Config.Keep; it returns how many
// rows went. With a Keep of 0 it does nothing. Whoever serves does it every
// hour.
func (d *Database) Prune(ctx context.Context) (rows int64, err error) {
	if d.cfg.Keep == 0 {
		return 0, nil
	}
	keep := d.cfg.Keep.Milliseconds()
	if _, err = d.pool.Exec(ctx, setMark); err == nil {
		_, err = d.pool.Exec(ctx, forget, keep)
	}
	for _, table := range []string{"tombstones", "key_tombstones"} {
		if err == nil {
			err = d.pruneAll(ctx, &rows, fmt.Sprintf(dropTombstones, table), pruned)
		}
	}
	if err == nil {
		err = d.pruneAll(ctx, &rows, dropOperations, pruned, keep)
	}
	if err != nil {
		return rows, fmt.Errorf("control: removing what is old: %w", err)
	}
	return rows, nil
}

// pruneAll repeats a statement until there is nothing left for it.
func (d *Database) pruneAll(ctx context.Context, rows *int64, sql string, args ...any) error {
	for {
		tag, err := d.pool.Exec(ctx, sql, args...)
		*rows += tag.RowsAffected()
		if err != nil || tag.RowsAffected() < pruned {
			return err
		}
	}
}

// errForgotten ends a look at changes of which some may have been removed.
var errForgotten = errors.New("tombstones that were not seen may have been removed")

// remembers reports errForgotten when deletions after the number may be
// missing.
func remembers(ctx context.Context, tx pgx.Tx, since int64) error {
	var gone bool
	const query = "SELECT EXISTS (SELECT FROM poolkeeper.marks WHERE forgotten AND version > $1)"
	if err := tx.QueryRow(ctx, query, since).Scan(&gone); err != nil {
		return err
	}
	if gone {
		return errForgotten
	}
	return nil
}
