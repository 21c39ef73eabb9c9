package control

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"github.com/poolkeeper/poolkeeper/registry"
)

// sight is how much of the database this process has seen.
type sight struct {
	// confirmed is when what is in memory was last known to be all there is;
	// nil until Load. last is the number of the last change that was applied.
	confirmed atomic.Pointer[moment]
	last      atomic.Int64
	loaded    atomic.Bool

	// mu guards what follows. It is held while records are read and applied,
	// so that an older state never follows a newer; lookups do without it.
	mu       sync.Mutex
	identity string // of the history that last is a number of
	own      owned
	refused  map[registry.ID]uint64 // the versions that were logged as refused
	follows  bool                   // the follower runs
	again    bool                   // everything is to be read again
}

// owned are the tenants' own limits, of those that have a plan: what is needed
// to lay new plans under. Most tenants of a plan have the same.
type owned map[registry.ID]unique.Handle[registry.Limits]

// served is what the list of replicas says of this process; nil for one that
// does not serve.
func (s *sight) served() *int64 {
	if !s.loaded.Load() {
		return nil
	}
	last := s.last.Load()
	return &last
}

// confirm notes that everything up to last was applied.
func (s *sight) confirm(at time.Time, last int64) {
	s.last.Store(last)
	s.confirmed.Store(&moment{wall: at.Round(0), at: at})
	s.loaded.Store(true)
}

// age is how long ago that was; very long when it never was.
func (s *sight) age() time.Duration {
	if m := s.confirmed.Load(); m != nil {
		now := time.Now()
		return m.until(moment{wall: now.Round(0), at: now})
	}
	return math.MaxInt64
}

// A moment is a time by both clocks of the machine: the one on the wall may be
// set back, and the other may stand still while the machine sleeps.
type moment struct{ wall, at time.Time }

// until is the time to a later moment by the clock that says more.
func (m moment) until(later moment) time.Duration {
	return max(later.wall.Sub(m.wall), later.at.Sub(m.at))
}

// fresh reports whether the records in memory can be believed.
func (d *Database) fresh() bool {
	return d.seen.loaded.Load() && d.seen.age() <= 2*d.cfg.Poll
}

// Following says how this process hears of changes.
type Following struct {
	// Listening says that the connection which is told of changes is there.
	// Without it they are looked for every Config.Poll.
	Listening bool
	// Fresh says that the records in memory are believed. Else every lookup
	// asks the database.
	Fresh bool
	// Confirmed is when they were last known to be all that there is; zero
	// before Load.
	Confirmed time.Time
}

// Following says how this process hears of changes now.
func (d *Database) Following() Following {
	f := Following{Listening: d.hears.Load(), Fresh: d.fresh()}
	if m := d.seen.confirmed.Load(); m != nil {
		f.Confirmed = m.wall
	}
	return f
}

// Tenant is registry.Source.Tenant. When changes could not be looked for in
// twice Config.Poll, the database is asked; its error is returned when it
// cannot be. While keys are believed that may be old ([Options].StaleFor), no
// record is newer than they are: a key of somebody who is gone must not open
// what another has got under the same id.
func (d *Database) Tenant(ctx context.Context, id registry.ID) (*registry.Tenant, error) {
	if d.fresh() {
		return d.live.Tenant(ctx, id)
	}
	if d.recalls() {
		if err := d.renew(ctx); err != nil {
			return nil, fmt.Errorf("control: reading tenant %q: %w", id, err)
		}
		return d.live.Tenant(ctx, id)
	}
	if id.IsZero() {
		return nil, unknown(id)
	}
	r, err := d.Record(ctx, id)
	if err != nil {
		return nil, err
	}
	return d.beside(ctx, r)
}

// beside completes a record that was just read with what only the records in
// memory tell.
func (d *Database) beside(ctx context.Context, r *Record) (*registry.Tenant, error) {
	t := &r.Tenant
	known, err := d.live.Tenant(ctx, t.ID)
	switch {
	case d.seen.loaded.Load() && t.Version <= uint64(d.seen.last.Load()): //nolint:gosec // the sequence begins at 1
		return known, err // nothing newer; it may have been refused
	case err == nil && known.Cluster == t.Cluster && known.Login == t.Login && known.DSN == t.DSN && known.ReadLogin == t.ReadLogin:
		t.SharedLogin, t.SharedReadLogin = known.SharedLogin, known.SharedReadLogin
	default:
		t.SharedLogin, t.SharedReadLogin = true, true // who shares them is not known: the careful answer
	}
	if err == nil && t.Version <= known.Version {
		t.Version = known.Version + 1 // numbers in memory run ahead where a change of another record changed this one
	}
	return t, nil
}

// List is registry.Source.List, of the records in memory.
func (d *Database) List(ctx context.Context, after registry.ID, limit int) ([]*registry.Tenant, error) {
	return d.live.List(ctx, after, limit)
}

// Count is registry.Counter.Count, of the records in memory.
func (d *Database) Count() map[registry.Status]int { return d.live.Count() }

// Watch is registry.Source.Watch. Changes come from [Database.Load] on.
func (d *Database) Watch(ctx context.Context, notify func([]registry.Change)) error {
	return d.live.Watch(ctx, notify)
}

// SetPlans replaces the plans, which become the Database's own; effective
// records that change are told to watchers.
func (d *Database) SetPlans(plans map[string]registry.Plan) {
	d.seen.mu.Lock()
	defer d.seen.mu.Unlock()
	d.plans.Store(&plans)
	var changed []*registry.Tenant
	last := uint64(d.seen.last.Load()) //nolint:gosec // the sequence begins at 1
	for id, own := range d.seen.own {
		t, err := d.live.Tenant(context.Background(), id) // from memory
		if err != nil {
			d.seen.again = true // it waits for its place, and would come in as it was
			continue
		}
		limits := d.effective(own.Value(), t.Plan)
		if limits == t.Limits {
			continue
		}
		c := *t
		c.Limits, c.Version = limits, max(t.Version, last)
		changed = append(changed, &c)
	}
	if len(changed) > 0 {
		d.tellRefused(d.live.Apply(changed, nil), changed)
	}
}

var (
	_ registry.Source  = (*Database)(nil)
	_ registry.Counter = (*Database)(nil)
)
