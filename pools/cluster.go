package pools

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/semaphore"

	"github.com/poolkeeper/poolkeeper/pools/budget"
	"github.com/poolkeeper/poolkeeper/registry"
)

const (
	// provisional is a derived budget before the server has said how many
	// connections it takes.
	provisional = 8
	// tenure is how long a connection that was dialled serves before it is
	// closed for another tenant: some ten times what the dial takes.
	tenure = 50 * time.Millisecond
	// cancelsAtOnce bounds the cancel requests in flight to one server. They
	// take none of its connections, so they have a bound of their own.
	cancelsAtOnce = 64
	// refillAfter is how long a spare that was taken is not replaced: longer
	// than the first query of whoever took it.
	refillAfter = 10 * time.Millisecond
	// patience is how long a server may take to end a session that made room
	// for somebody, before more room is made for them.
	patience = time.Second
)

// cluster is one server: its budget, and what bounds the way to it.
type cluster struct {
	name    string
	keeper  *Keeper
	target  *pgxpool.Config // parsed once, copied for each pool
	budget  *budget.Budget
	cancels *semaphore.Weighted
	dials   atomic.Pointer[semaphore.Weighted]
	spares  *entry // makes spare connections, nil when there are none to be had

	// mu guards what follows. Nothing slow happens under it.
	mu       sync.Mutex
	settings registry.Cluster
	offered  int  // connections that the server has for us and others, 0: not known
	filling  bool // spares are kept
}

func newCluster(k *Keeper, name string, settings registry.Cluster) (*cluster, error) {
	if err := settings.Validate(); err != nil {
		return nil, fmt.Errorf("pools: clusters.%s.%w", name, err)
	}
	target, err := pgxpool.ParseConfig(settings.DSN.Reveal())
	if err != nil {
		return nil, fmt.Errorf("pools: clusters.%s.dsn: not a PostgreSQL connection string: %w", name, redacted(err))
	}
	c := &cluster{name: name, keeper: k, target: target, cancels: semaphore.NewWeighted(cancelsAtOnce)}
	c.budget = budget.New(budget.Config{
		Size: provisional, StealAfter: k.cfg.StealAfter, KeepWarm: k.cfg.KeepWarm, Tenure: tenure, RefillAfter: refillAfter, Patience: patience,
		Start: k.workers.Go, Now: k.now,
	})
	c.set(settings)
	c.spares, err = c.newSpares()
	return c, err
}

// orDefaults fills in what a cluster that was built in code left out.
func orDefaults(c registry.Cluster) registry.Cluster {
	d := registry.ClusterDefaults()
	c.Replicas = orDefault(c.Replicas, d.Replicas)
	c.Dials = orDefault(c.Dials, d.Dials)
	c.Queue = orDefault(c.Queue, d.Queue)
	return c
}

// set takes over what may change while the keeper runs.
func (c *cluster) set(to registry.Cluster) {
	c.mu.Lock()
	defer c.mu.Unlock()
	dials := c.settings.Dials
	c.settings = orDefaults(to)
	if c.settings.Dials != dials {
		c.dials.Store(semaphore.NewWeighted(int64(c.settings.Dials)))
	}
	c.resizeLocked()
}

func (c *cluster) resizeLocked() {
	size, _ := c.sizeLocked()
	c.budget.Resize(size, c.settings.Queue)
	if c.spares != nil && c.filling {
		c.spares.account.Adjust(budget.Terms{Weight: 1, Max: min(c.settings.Spares, size-1)}) // tenants need one at least
	}
}

// sizeLocked is the budget in force, and whether it was derived.
func (c *cluster) sizeLocked() (size int, derived bool) {
	switch s := &c.settings; {
	case s.Budget > 0:
		return s.Budget, false
	case c.offered == 0:
		return provisional, true
	default:
		return max(1, (c.offered-s.Margin)/s.Replicas), true
	}
}

// learn takes note of how many connections the server has, as a new session
// reported it: max_connections less the slots reserved for others than us.
func (c *cluster) learn(offered string) {
	n, err := strconv.Atoi(offered)
	if err != nil || n < 1 {
		return
	}
	c.mu.Lock()
	same := n == c.offered
	c.offered = n
	size, derived := c.sizeLocked()
	if !same {
		c.resizeLocked()
	}
	c.mu.Unlock()
	if derived && !same {
		c.keeper.log.Info("budget derived from the server", "cluster", c.name, "budget", size, "offered", n)
	}
}

// dialCancel dials for a cancel request, which takes no connection of the
// server's.
func (c *cluster) dialCancel(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := c.cancels.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	// The driver gives a cancel request more time than anybody should wait.
	limited, cancel := context.WithTimeout(ctx, c.keeper.cfg.ConnectTimeout)
	defer cancel()
	conn, err := c.dial()(limited, network, addr)
	if err != nil {
		c.cancels.Release(1)
		return nil, err
	}
	return &cancelConn{Conn: conn, done: c.cancels}, nil
}

// cancelConn gives its place back when it is closed.
type cancelConn struct {
	net.Conn
	done *semaphore.Weighted
	once sync.Once
}

// Close closes the connection.
func (c *cancelConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { c.done.Release(1) })
	return err
}

// Learn takes note of how many connections a cluster's server has for those
// who are not privileged, for a budget that follows from it. Tenants' own
// sessions tell it too; a program that provisions first asks before. Its error
// is ErrRecord.
func (k *Keeper) Learn(cluster string, offered int) error {
	c, ok := k.clusters[cluster]
	if !ok {
		return fmt.Errorf("%w: cluster %q is not configured", ErrRecord, cluster)
	}
	c.learn(strconv.Itoa(offered))
	return nil
}
