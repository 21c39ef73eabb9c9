package control

import (
	"context"
	"fmt"
	"time"
)

// notedEvery is how often the last uses of keys are written.
const notedEvery = time.Minute

// writeUses is one statement for all keys. A key that is about to go is passed
// over, for whoever deletes it must not wait for us and we not for them. What
// another process knows better stays.
const writeUses = `INSERT INTO poolkeeper.key_uses AS u (key, at)
	SELECT k.id, n.at FROM unnest($1::text[], $2::timestamptz[]) AS n (id, at) JOIN poolkeeper.keys k ON k.id = n.id
	ORDER BY k.id FOR KEY SHARE OF k SKIP LOCKED
	ON CONFLICT (key) DO UPDATE SET at = greatest(u.at, excluded.at) WHERE u.at < excluded.at`

// keepNoting writes uses until ctx ends, and forgets keys that ended long ago.
func (d *Database) keepNoting(ctx context.Context) {
	ticker := time.NewTicker(d.notedEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		d.ring.Forget(time.Now().Add(-remembered))
		if err := d.noteUses(ctx); err != nil && ctx.Err() == nil {
			d.log.DebugContext(ctx, "uses of keys are written later", "error", err)
		}
	}
}

// noteUses writes when keys were last used, of those that were used since the
// last time. What could not be written is, with the next.
func (d *Database) noteUses(ctx context.Context) error {
	uses := d.ring.Uses()
	if len(uses) == 0 {
		return nil
	}
	ids, times := make([]string, len(uses)), make([]time.Time, len(uses))
	for i, u := range uses {
		ids[i], times[i] = u.ID, u.At
	}
	if _, err := d.pool.Exec(ctx, writeUses, ids, times); err != nil {
		return fmt.Errorf("control: writing the last uses of keys: %w", err)
	}
	d.ring.Told(uses)
	return nil
}
