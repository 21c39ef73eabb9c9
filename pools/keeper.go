package pools

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Tenants is where the keeper reads records; a *registry.Registry is one.
type Tenants interface {
	// Tenant returns the active record of id, or why there is none.
	Tenant(ctx context.Context, id registry.ID) (*registry.Tenant, error)
}

// Keeper is the set of live pools: it creates them lazily, lends them,
// evicts them. One per process. Its methods may be called concurrently.
type Keeper struct {
	cfg      Config
	tenants  Tenants
	obs      Observer
	log      *slog.Logger
	clusters map[string]*cluster
	breaker  *breaker
	// plainStart holds the targets whose server refuses start-up parameters.
	plainStart sync.Map
	// servers maps a server's start to the first cluster it was met as, twins
	// a cluster to another that is the same server.
	servers, twins sync.Map
	// proven holds the logins that a server has let in, by a hash of name and
	// password: false where a spare could not become theirs.
	proven  sync.Map
	nameKey []byte // makes opaque names of tenants' ids
	epoch   time.Time

	// Read by hits without the mutex; index is written under it.
	index    *index
	stopping atomic.Bool
	wanting  atomic.Int64 // creations that wait for room

	// lifetime ends when Close has waited long enough: creations in flight
	// end with it.
	lifetime context.Context //nolint:containedctx // the keeper's own life, not a request's
	end      context.CancelFunc
	workers  workers       // creations, closings, the janitor
	wake     chan struct{} // tells the janitor to look at its deadline again
	stop     chan struct{} // ends the janitor
	stopOnce sync.Once

	// mu guards what follows, the retirement of entries and the fields of
	// theirs that say so. No I/O, no closing, no callback happens under it.
	// It is taken before an entry's own mutex, never after.
	mu       sync.Mutex
	order    *order
	flights  map[registry.ID]*flight
	draining map[*entry]struct{}
	reserved int // room granted to creations that have not published yet
	// overrides are limits that an operator changed while the keeper runs.
	overrides map[registry.ID]override
	rooms     roomQueue
	drained   chan struct{} // closed when stopping and nothing is left
}

// New returns a running Keeper; Close it. obs may be nil. The error names
// the setting or the cluster that cannot be used.
func New(cfg Config, tenants Tenants, obs Observer) (*Keeper, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	nameKey := make([]byte, sha256.Size)
	_, _ = rand.Read(nameKey) // never fails, by its documentation
	// The keeper outlives every request, so its life begins with no context.
	lifetime, end := context.WithCancel(context.Background())
	k := &Keeper{
		cfg: cfg, tenants: tenants, obs: obs, log: log, clusters: map[string]*cluster{},
		breaker: newBreaker(cfg.BackoffMin, cfg.BackoffMax), nameKey: nameKey, epoch: time.Now(),
		index: newIndex(), lifetime: lifetime, end: end,
		wake: make(chan struct{}, 1), stop: make(chan struct{}),
		order: newOrder(), flights: map[registry.ID]*flight{}, draining: map[*entry]struct{}{},
		drained: make(chan struct{}), overrides: map[registry.ID]override{},
	}
	for name, settings := range cfg.Clusters {
		c, err := newCluster(k, name, settings)
		if err != nil {
			end()
			for _, c := range k.clusters {
				c.closeSpares()
			}
			return nil, err
		}
		k.clusters[name] = c
	}
	for _, c := range k.clusters {
		c.openSpares()
	}
	k.workers.Go(k.sweepUntilStopped)
	return k, nil
}

// now is the time since the keeper's epoch, in nanoseconds.
func (k *Keeper) now() int64 { return int64(time.Since(k.epoch)) }

// Lease pins the tenant's pool; no connection is taken. A pool that is there
// is pinned without a lock; else it is created, once for all who ask, and
// ctx bounds only this caller's wait. Release the lease.
//
// For id.Reader() it is the pool of the tenant's reader: one of its own, whose
// login may only read.
//
// Errors: registry.ErrUnknown, registry.ErrInactive, registry.ErrUnavailable,
// registry.ErrNoReader, ErrRecord, ErrPoolLimit, ErrPrepare, ErrPreparing, ErrClosed, or the
// context's.
func (k *Keeper) Lease(ctx context.Context, id registry.ID) (*Lease, error) {
	if e := k.index.find(id); e != nil && e.pin() { // its use is noted at release: until then the pin keeps it
		if k.obs != nil {
			k.obs.Leased(id, e.tenant.Cluster, OutcomeHit, nil)
		}
		return &Lease{entry: e}, nil
	}
	e, outcome, err := k.leaseCold(ctx, id)
	if err != nil {
		k.observed(func(o Observer) { o.Leased(id, "", OutcomeRefused, err) })
		return nil, err
	}
	k.observed(func(o Observer) { o.Leased(id, e.tenant.Cluster, outcome, nil) })
	return &Lease{entry: e}, nil
}

// Warm has the tenant's pool opened, and one connection of it, so that the
// next caller finds both; nothing is held when it returns. Its errors are
// those of Lease and of [Lease.Acquire].
func (k *Keeper) Warm(ctx context.Context, id registry.ID) error {
	l, err := k.Lease(ctx, id)
	if err != nil {
		return err
	}
	defer l.Release()
	c, err := l.Acquire(ctx)
	if err != nil {
		return err
	}
	c.Release()
	return nil
}

// Apply acts on a change of a record: its pool, if there is one, is retired,
// and a creation in flight starts over with the new record. A change of
// limits alone changes the pool where it stands. Give it to
// registry.Registry.Subscribe.
func (k *Keeper) Apply(c registry.Change) {
	reason := ReasonReplaced
	switch c.Kind {
	case registry.LimitsChanged:
		if k.concerned(c.ID) {
			k.workers.Go(func() { k.applyLimits(c.ID) })
		}
		return
	case registry.Suspended:
		reason = ReasonSuspended
	case registry.Removed:
		reason = ReasonRemoved
	case registry.Added, registry.Changed:
	}
	k.invalidate(c.ID, reason)
}

// Evict retires the tenant's pool and reports whether there was one. Running
// work finishes; the next lease opens a new pool. The pool of the tenant's
// reader goes under its own id.
func (k *Keeper) Evict(id registry.ID) bool { return k.invalidate(id, ReasonEvicted) }
