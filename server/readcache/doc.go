// Package readcache keeps answers to reads for a while, for clients that ask
// for it and tenants that allow it.
//
// A client says with Cache-Control: max-age how old an answer may be; the
// tenant's record says with cache_for how old any may get, and 0, the default,
// turns the cache off for it. What is kept was read in a READ ONLY transaction,
// so that an answer never stands for a change.
//
// A [Key] holds the tenant itself, not only in a digest: two tenants never
// meet, whatever they ask. It holds whether the tenant's reader asked, the
// record's version and the tenant's generation too: after a change of the record or
// a [Cache.Flush] nothing that was kept before is found.
//
// Of many who ask the same at once one asks the database, on its own goroutine
// and with its own context, and the others wait for it, each as long as its own
// context allows. When the one who asks leaves, another of them takes over.
//
// The memory is bounded by bytes. With Redis what one server has read is found
// by the others, and a flush reaches them within [flushedWithin]; everything
// works without it, only with more misses.
package readcache

import (
	"context"
	"math"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Observer is told how reads were answered. Its methods are called on the
// request's path and must not block. *metrics.Metrics is one.
type Observer interface {
	// CacheRead is called once per [Cache.Do] that got an answer.
	CacheRead(how Outcome)
	// CacheStoreAsked is called for each question to Redis: how long it took,
	// or why there is no answer.
	CacheStoreAsked(took time.Duration, err error)
}

// unobserved stands for no observer.
type unobserved struct{}

// CacheRead does nothing.
func (unobserved) CacheRead(Outcome) {}

// CacheStoreAsked does nothing.
func (unobserved) CacheStoreAsked(time.Duration, error) {}

// overhead is what an entry costs beside its body: the key and the cache's own
// bookkeeping, roughly.
const overhead = 320

// Cache keeps answers. Safe for concurrent use.
type Cache struct {
	cfg         Config
	observer    Observer
	entries     *otter.Cache[Key, entry]
	flights     flights
	generations generations
	shared      *shared // nil without Redis
}

// entry is an answer and when it began to be read.
type entry struct {
	body []byte
	read time.Time
}

// New returns a Cache. It does not wait for Redis, and starts without one that
// cannot be reached. obs may be nil.
func New(cfg Config, obs Observer) (*Cache, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if obs == nil {
		obs = unobserved{}
	}
	c := &Cache{cfg: cfg, observer: obs}
	entries, err := otter.New(&otter.Options[Key, entry]{
		MaximumWeight: uint64(max(cfg.MaxBytes, 1)),
		Weigher:       func(_ Key, e entry) uint32 { return uint32(min(len(e.body)+overhead, math.MaxUint32)) },
		Executor:      func(task func()) { task() }, // nothing goes on after a call
	})
	if err != nil {
		return nil, err
	}
	c.entries = entries
	if !cfg.Redis.IsZero() {
		if c.shared, err = newShared(cfg, obs); err != nil {
			return nil, err
		}
	}
	c.generations.shared = c.shared
	return c, nil
}

// Close ends the connections to Redis. Whoever asks afterwards is answered
// without it.
func (c *Cache) Close() {
	if c.shared != nil {
		c.shared.store.Close()
	}
}

// Flush has nothing be found that was kept for the tenant before, here at once.
// With Redis it returns when that holds on all other servers that reach it, which
// takes a second. The error says that Redis could not be told yet, and is told
// with the tenant's next read here; or it is that of ctx.
func (c *Cache) Flush(ctx context.Context, id registry.ID) error {
	return c.generations.flush(ctx, id.Tenant())
}

// Bytes is how much is kept here, roughly.
func (c *Cache) Bytes() uint64 { return c.entries.WeightedSize() }

// keeps reports whether a body may take the place of others.
func (c *Cache) keeps(body []byte) bool { return int64(len(body))+overhead <= c.cfg.MaxBytes/4 }
