package world

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/poolkeeper/poolkeeper/bench/measure"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Cluster is what the one server is called in every configuration here.
const Cluster = "main"

// Clusters are the servers for a source of records.
func (w *World) Clusters() map[string]registry.Cluster {
	server := registry.ClusterDefaults()
	server.DSN, server.Budget = registry.NewSecret(w.DSN(App)), Budget
	return map[string]registry.Cluster{Cluster: server}
}

// RegistryConfig is the default with a cache for all tenants.
func RegistryConfig() registry.Config {
	c := registry.Defaults()
	c.Size = 200_000
	return c
}

// Keeper is a keeper on the world's server, with a registry of tenants.
type Keeper struct {
	*pools.Keeper
	Registry *registry.Registry

	stop  context.CancelFunc
	ended chan error
}

// EditFunc changes what a keeper would be with Poolkeeper's defaults, a
// budget, and the login App.
type EditFunc func(*pools.Config, *registry.Cluster)

// Keeper opens a keeper that knows the tenants. obs and edit may be nil. Close
// it.
func (w *World) Keeper(ctx context.Context, tenants []Tenant, obs pools.Observer, edit EditFunc) (*Keeper, error) {
	records := make([]*registry.Tenant, len(tenants))
	for i, t := range tenants {
		records[i] = t.Record()
	}
	return w.KeeperOf(ctx, records, obs, edit)
}

// KeeperOf is Keeper with records of the caller's own.
func (w *World) KeeperOf(ctx context.Context, records []*registry.Tenant, obs pools.Observer, edit EditFunc) (*Keeper, error) {
	cfg, server := pools.Defaults(), w.Clusters()[Cluster]
	if edit != nil {
		edit(&cfg, &server)
	}
	cfg.Clusters = map[string]registry.Cluster{Cluster: server}
	source, err := registry.NewStatic(cfg.Clusters, records...)
	if err != nil {
		return nil, err
	}
	return start(ctx, cfg, source, obs)
}

// start puts a registry and a keeper in front of a source.
func start(ctx context.Context, cfg pools.Config, source registry.Source, obs pools.Observer) (*Keeper, error) {
	k := &Keeper{ended: make(chan error, 1)}
	var err error
	if k.Registry, err = registry.New(RegistryConfig(), source, nil); err != nil {
		return nil, err
	}
	if k.Keeper, err = pools.New(cfg, k.Registry, obs); err != nil {
		return nil, err
	}
	k.Registry.Subscribe(k.Apply)
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	k.stop = stop
	go func() { k.ended <- k.Registry.Run(following) }()
	return k, nil
}

// Close closes the keeper; nothing of it is left then.
func (k *Keeper) Close() error {
	k.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return errors.Join(<-k.ended, k.Keeper.Close(ctx))
}

// Ask leases the tenant's pool, reads one of its rows and checks whose it is.
func (k *Keeper) Ask(ctx context.Context, t Tenant, row int) error {
	return k.Run(ctx, t, SQL, row)
}

// Run is Ask with a statement of the caller's own, that returns the tenant's
// name.
func (k *Keeper) Run(ctx context.Context, t Tenant, sql string, args ...any) error {
	lease, err := k.Lease(ctx, t.ID)
	if err != nil {
		return err
	}
	defer lease.Release()
	var name string
	if err := lease.QueryRow(ctx, sql, args...).Scan(&name); err != nil {
		return fmt.Errorf("tenant %s: %w", t.Name, err)
	}
	return measure.Check(t.Name, name)
}

// Take leases the tenant's pool, takes one connection and gives both back.
func (k *Keeper) Take(ctx context.Context, t Tenant) error {
	lease, err := k.Lease(ctx, t.ID)
	if err != nil {
		return err
	}
	defer lease.Release()
	conn, err := lease.Acquire(ctx)
	if err != nil {
		return err
	}
	conn.Release()
	return nil
}

// Warm asks once for each tenant, so that each has a connection, as far as
// the budget goes.
func (k *Keeper) Warm(ctx context.Context, tenants []Tenant) error {
	for _, t := range tenants {
		if err := k.Ask(ctx, t, 1); err != nil {
			return err
		}
	}
	return nil
}
