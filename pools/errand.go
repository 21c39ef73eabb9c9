package pools

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

// errand is a holder who wants one slot for a short connection that is no
// tenant's: it comes before all others, because it ends something, or brings
// something about that they wait for.
type errand struct {
	account *budget.Account
	got     chan *permit // holds one
	over    atomic.Bool  // decided: granted, or given up
}

// Granted is budget.Holder's.
func (h *errand) Granted(slot *budget.Slot) {
	slot.Use()
	p := newPermit(slot)
	h.account.Opened(0, 0)
	if h.over.CompareAndSwap(false, true) {
		h.got <- p
		return
	}
	p.drop()
}

// Evict is budget.Holder's; an errand's slot never rests.
func (h *errand) Evict(*budget.Slot, budget.Why) {}

// reserve returns a permit for an errand; the caller must drop it.
func (c *cluster) reserve(ctx context.Context) (*permit, error) {
	h := &errand{got: make(chan *permit, 1)}
	h.account = c.budget.Open(budget.Terms{Max: 1, Queue: 1, Weight: 1, Urgent: true}, h)
	defer h.account.Close()
	if err := h.account.Ask(1, c.keeper.now()); err != nil {
		return nil, refusalOf(err)
	}
	select {
	case p := <-h.got:
		return p, nil
	case <-ctx.Done():
		if !h.over.CompareAndSwap(false, true) {
			return <-h.got, nil
		}
		return nil, endOf(ctx)
	}
}

// Dialer returns what opens connections to a cluster for work that is no
// tenant's, within the cluster's budget: provisioning, a listener. Each
// waits for a connection to be spared, QueueTimeout at most, and comes before
// all tenants. Its refusals are ErrBudget, ErrRecord and ErrClosed.
func (k *Keeper) Dialer(cluster string) pgconn.DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		p, err := k.reserve(ctx, cluster)
		if err != nil {
			return nil, err
		}
		defer p.drop()
		conn, err := k.clusters[cluster].dial()(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		p.hold()
		return &socket{Conn: conn, keeper: k, permit: p, gone: make(chan struct{})}, nil
	}
}

// Reserve takes one connection of a cluster's budget for work whose socket is
// not ours, such as a program that we start; release gives it back, once the
// socket is closed, and may be called again. It waits as [Keeper.Dialer] does,
// and fails as it does.
func (k *Keeper) Reserve(ctx context.Context, cluster string) (release func(), err error) {
	p, err := k.reserve(ctx, cluster)
	if err != nil {
		return nil, err
	}
	return sync.OnceFunc(p.drop), nil
}

// reserve returns a permit for an errand; the caller must drop it.
func (k *Keeper) reserve(ctx context.Context, cluster string) (*permit, error) {
	c, ok := k.clusters[cluster]
	if !ok {
		return nil, fmt.Errorf("%w: cluster %q is not configured", ErrRecord, cluster)
	}
	if k.lifetime.Err() != nil {
		return nil, ErrClosed
	}
	waiting, cancel := context.WithTimeoutCause(ctx, k.cfg.QueueTimeout, ErrBudget)
	defer cancel()
	p, err := c.reserve(waiting)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", cluster, err)
	}
	return p, nil
}
