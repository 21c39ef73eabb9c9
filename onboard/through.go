package onboard

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/semaphore"
)

// Connections is how many connections the work for one tenant takes at once.
const Connections = 3

// patience is how long opening a connection may take, its wait for room in the
// budget included, when the connection string does not say. A server that is
// silent would otherwise keep each tenant for Config.Timeout.
const patience = 30 * time.Second

// way is how connections are opened, and how many tenants of one cluster are
// worked on side by side. The zero value is the driver's own way, without a
// bound.
type way struct {
	patience time.Duration // for one connection
	dial     func(cluster string) pgconn.DialFunc
	reserve  func(ctx context.Context, cluster string) (release func(), err error)
	atOnce   int

	mu    sync.Mutex
	turns map[string]*semaphore.Weighted // by cluster; guarded by mu
}

// Through has every connection opened by what dial returns for its cluster,
// which is how they come to count in a budget ((*pools.Keeper).Dialer), and
// at most atOnce tenants of a cluster worked on side by side. A budget should
// have room for atOnce times [Connections]: those who hold some and wait for
// more would otherwise wait for each other, as long as dial does. Call it
// before the first Provision.
func (p *Provisioner) Through(dial func(cluster string) pgconn.DialFunc, atOnce int) {
	p.way.dial, p.way.atOnce = dial, max(1, atOnce)
}

// turn waits until a tenant of the cluster may be worked on.
func (w *way) turn(ctx context.Context, cluster string) (done func(), err error) {
	if w.atOnce == 0 {
		return func() {}, nil
	}
	turns := w.of(cluster)
	if err := turns.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("waiting for other tenants of the cluster: %w", err)
	}
	return func() { turns.Release(1) }, nil
}

func (w *way) of(cluster string) *semaphore.Weighted {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.turns == nil {
		w.turns = map[string]*semaphore.Weighted{}
	}
	if w.turns[cluster] == nil {
		w.turns[cluster] = semaphore.NewWeighted(int64(w.atOnce))
	}
	return w.turns[cluster]
}
