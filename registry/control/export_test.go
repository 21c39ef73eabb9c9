package control

import (
	"context"
	"time"
)

// NoteUsesEvery has uses of keys written so often instead of once a minute;
// call it before Load.
func (d *Database) NoteUsesEvery(t time.Duration) { d.notedEvery = t }

// Elapsed is how much time passes between two moments by clocks that say so.
func Elapsed(wall, running time.Duration) time.Duration {
	now := time.Now()
	return moment{wall: now.Round(0), at: now}.until(moment{wall: now.Round(0).Add(wall), at: now.Add(running)})
}

// SetBack has the clock on the wall say that what is in memory was confirmed in
// the future, as it does after it was set back.
func (d *Database) SetBack(by time.Duration) {
	m := *d.seen.confirmed.Load()
	m.wall = m.wall.Add(by)
	d.seen.confirmed.Store(&m)
}

// Fresh reports whether the records in memory are believed.
func (d *Database) Fresh() bool { return d.fresh() }

// LoadOnce is Load by a process that then hears of nothing.
func (d *Database) LoadOnce(ctx context.Context) error {
	d.seen.mu.Lock()
	defer d.seen.mu.Unlock()
	return d.loadLocked(ctx, d.pool)
}

// CatchUp has it hear of everything.
func (d *Database) CatchUp(ctx context.Context) error { return d.catchUp(ctx, d.pool) }
