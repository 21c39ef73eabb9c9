package admission

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission/store"
)

// Observer is told what was decided. Its methods are called on the request's
// path and must not block. *metrics.Metrics is one.
type Observer interface {
	// Admitted is called once per [Control.Admit]. err is what it returns: nil,
	// or one that matches ErrRate, ErrInFlight or ErrStore.
	Admitted(err error)
	// StoreAsked is called for each request that the shared store should have
	// decided: how long its answer took, or why there is none. With
	// store.ErrResting it was not asked, because it has failed lately.
	StoreAsked(took time.Duration, err error)
}

// unobserved stands for no observer.
type unobserved struct{}

// Admitted does nothing.
func (unobserved) Admitted(error) {}

// StoreAsked does nothing.
func (unobserved) StoreAsked(time.Duration, error) {}

const (
	shards = 256
	// sweepEvery is how often states at rest are forgotten, while there are any.
	sweepEvery = 10 * time.Second
	// soon is the guess when a request that is under way will be over.
	soon = time.Second
)

// Control is the state of all tenants' limits. Safe for concurrent use.
type Control struct {
	cfg      Config
	observer Observer
	shared   *shared // nil without a store
	seed     maphash.Seed
	shards   [shards]shard
	armed    atomic.Bool // a sweep is to come
	free     Pass        // of all without limits

	// mu guards what follows. Nothing slow happens under it.
	mu     sync.Mutex
	timer  *time.Timer // of the next sweep; nil before the first
	closed bool
}

// New returns a Control. It does not wait for the shared store, and starts
// without one that cannot be reached. obs may be nil. Close it when the last
// request has ended.
func New(cfg Config, obs Observer) (*Control, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if obs == nil {
		obs = unobserved{}
	}
	c := &Control{cfg: cfg, observer: obs, seed: maphash.MakeSeed()}
	if !cfg.Redis.IsZero() {
		s, err := newShared(cfg)
		if err != nil {
			return nil, err
		}
		c.shared = s
	}
	return c, nil
}

// Close ends the connections to the shared store. Requests that come later are
// decided by this process alone, or refused, as the configuration says.
func (c *Control) Close() {
	c.mu.Lock()
	c.closed = true
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	if c.shared != nil {
		c.shared.store.Close()
	}
}

// Admit lets the tenant's request in, or returns a *[Refusal]. Release the pass
// when the request is over. The limits are those of the record t; a tenant's
// reader shares them with the tenant. Ask only for records of tenants that
// exist: each one's state is kept until it is at rest.
func (c *Control) Admit(ctx context.Context, t *registry.Tenant) (*Pass, error) {
	p, err := c.admit(ctx, t.ID.Tenant(), c.cfg.of(t.Limits))
	c.observer.Admitted(err)
	return p, err
}

func (c *Control) admit(ctx context.Context, id registry.ID, t terms) (*Pass, error) {
	if t.none() {
		return &c.free, nil
	}
	s := &c.shards[maphash.String(c.seed, id.String())%shards]
	st, q, err := s.enter(id, t)
	c.arm()
	if err != nil {
		return nil, refusal(id, q, err)
	}
	p := &Pass{shard: s, state: st, quota: q}
	if c.shared == nil || t.rate == 0 {
		return p, nil
	}
	return c.share(ctx, id, p)
}

// share puts what this process admits to the shared bucket.
func (c *Control) share(ctx context.Context, id registry.ID, p *Pass) (*Pass, error) {
	begun := time.Now()
	q, taken, err := c.shared.take(ctx, id, p.quota.terms)
	took := time.Since(begun)
	if errors.Is(err, store.ErrResting) {
		took = 0
	}
	c.observer.StoreAsked(took, err)
	switch {
	case err == nil && taken:
		p.quota = q
		return p, nil
	case err == nil:
		p.shard.undo(p.state, q.terms, q.wait)
		return nil, refusal(id, q, ErrRate)
	case c.cfg.WhenRedisFails == FailOpen:
		return p, nil
	}
	p.shard.undo(p.state, p.quota.terms, 0)
	return nil, refusal(id, p.quota, ErrStore)
}

func refusal(id registry.ID, q quota, reason error) *Refusal {
	r := &Refusal{Tenant: id, RetryAfter: q.wait, quota: q, err: reason}
	switch {
	case errors.Is(reason, ErrInFlight):
		r.RetryAfter = max(q.wait, soon)
	case errors.Is(reason, ErrStore):
		r.RetryAfter = store.Rest
	}
	return r
}

// arm has a sweep come, unless one is to come already. There is no goroutine
// that waits for it, and none at all while nobody has a state.
func (c *Control) arm() {
	if c.armed.Load() || !c.armed.CompareAndSwap(false, true) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.timer = time.AfterFunc(sweepEvery, c.sweep)
	}
}

// sweep forgets the tenants at rest. Who comes during it has another one come.
func (c *Control) sweep() {
	c.armed.Store(false)
	left := 0
	for i := range c.shards {
		left += c.shards[i].sweep()
	}
	if left > 0 {
		c.arm()
	}
}
