package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// Registry is the cached lookup in front of a [Source]. See the package
// documentation for what it promises.
type Registry struct {
	cfg   Config
	src   Source
	obs   Observer  // may be nil
	start time.Time // entries count time from here

	known  *cache        // ids with a record
	absent *cache        // ids without
	epoch  atomic.Uint64 // grows when nothing that is cached can be trusted; written under mu
	purges atomic.Uint64 // grows with every change that was told; written under mu

	flights singleflight.Group

	// mu guards writes to the caches, the set of flights and the list of
	// subscribers. Never held while the source or a subscriber is called.
	mu          sync.Mutex
	inFlight    map[*flight]struct{}
	subscribers []func(Change)
}

// Observer is told about lookups; it must not block. Result is one of hit (a
// record was cached, active or not), negative_hit (it was cached that there is
// none), loaded and unknown (the source was asked and said so), error (it
// could not be asked, or the caller left). Every call of [Registry.Tenant] is
// told of once.
type Observer interface{ Lookup(result string) }

// The results that an Observer is told.
const (
	resultHit         = "hit"
	resultNegativeHit = "negative_hit"
	resultLoaded      = "loaded"
	resultUnknown     = "unknown"
	resultError       = "error"
)

// New returns a Registry that asks src. obs may be nil. Changes are followed
// while [Registry.Run] runs; without it, Config.TTL alone bounds how old an
// answer can be.
func New(cfg Config, src Source, obs Observer) (*Registry, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if src == nil {
		return nil, errors.New("registry: a source is needed; Static and File are two")
	}
	known, err := newCache(cfg.Size)
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	absent, err := newCache(cfg.Size)
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	return &Registry{
		cfg: cfg, src: src, obs: obs, start: time.Now(),
		known: known, absent: absent, inFlight: map[*flight]struct{}{},
	}, nil
}

// Tenant returns the active record of id; for the id of a reader that of the
// reader, which is made of the tenant's. Errors: [ErrUnknown], [ErrInactive],
// [ErrNoReader], [ErrUnavailable], or the context's.
func (r *Registry) Tenant(ctx context.Context, id ID) (*Tenant, error) {
	if e, result := r.cached(id.Tenant()); e != nil {
		r.observe(result)
		return e.answer(id)
	}
	return r.load(ctx, id)
}

// cached returns the entry of an id if it is fresh, and how to call that.
func (r *Registry) cached(id ID) (*entry, string) {
	now, epoch := time.Since(r.start), r.epoch.Load()
	if e := r.known.get(id); e != nil && now < e.until && e.epoch == epoch {
		return e, resultHit
	}
	if e := r.absent.get(id); e != nil && now < e.until && e.epoch == epoch {
		return e, resultNegativeHit
	}
	return nil, ""
}

// List returns a page of all records, active or not, from the source: up to
// limit of them, after the given id. Errors: [ErrUnavailable], or the
// context's.
func (r *Registry) List(ctx context.Context, after ID, limit int) ([]*Tenant, error) {
	tenants, err := r.src.List(ctx, after, limit)
	switch {
	case err == nil:
		return tenants, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("registry: listing tenants: %w", ctx.Err())
	default:
		return nil, unavailable(err)
	}
}

// Count returns how many records there are of every status, nil when the
// source does not know without reading them all.
func (r *Registry) Count() map[Status]int {
	if c, ok := r.src.(Counter); ok {
		return c.Count()
	}
	return nil
}

// Subscribe has fn called after every change, once the cache no longer
// answers with the old record: for the tenant's id, then for its reader's,
// whether there is one or not. Call it before Run. fn must not block, nor
// change the source; calls for different changes may overlap.
func (r *Registry) Subscribe(fn func(Change)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subscribers = append(slices.Clip(r.subscribers), fn)
}

// Run watches the source until ctx ends. An error means that the source
// cannot go on, and that changes are no longer followed.
func (r *Registry) Run(ctx context.Context) error {
	if err := r.src.Watch(ctx, r.apply); err != nil && ctx.Err() == nil {
		return fmt.Errorf("registry: watching the source: %w", err)
	}
	return nil
}

// apply is the source's notify: first the cache forgets, then subscribers are
// told.
func (r *Registry) apply(changes []Change) {
	r.purge(changes)
	for _, c := range changes {
		r.tell(c)
	}
}

// purge forgets what changed, or distrusts everything when no change is named.
func (r *Registry) purge(changes []Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.purges.Add(1)
	if len(changes) == 0 {
		r.epoch.Add(1)
	}
	changed := make(map[ID]bool, len(changes))
	for _, c := range changes {
		changed[c.ID] = true
		r.known.remove(c.ID)
		r.absent.remove(c.ID)
	}
	for f := range r.inFlight {
		if len(changes) == 0 || changed[f.id] {
			f.stale = true
		}
	}
}

func (r *Registry) tell(c Change) {
	r.mu.Lock()
	subscribers := r.subscribers
	r.mu.Unlock()
	reader := Change{ID: c.ID.Reader(), Kind: c.Kind}
	for _, fn := range subscribers {
		fn(c)
		fn(reader)
	}
}

func (r *Registry) observe(result string) {
	if r.obs != nil {
		r.obs.Lookup(result)
	}
}

// unavailable says that the source could not be asked.
func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }
