package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// clusterName is the one server in this program.
const clusterName = "main"

// poolkeeper is this project's way: a lease on the tenant's own pool, whose
// connections are pinned to its schema when they open and checked when they
// come back. The shared tables have a pool that nobody ever switches.
type poolkeeper struct {
	keeper *pools.Keeper
	common *pgxpool.Pool
}

// newPoolkeeper keeps far fewer pools alive than there are tenants, so that it
// opens and evicts all the time.
func newPoolkeeper(dsn string, tenants, maxPools int, common *pgxpool.Pool) (*poolkeeper, error) {
	clusters := map[string]registry.Cluster{clusterName: {DSN: registry.NewSecret(dsn)}}
	all := make([]*registry.Tenant, tenants)
	for i := range all {
		name := tenantName(i)
		all[i] = &registry.Tenant{
			ID: registry.MustParseID(name), Status: registry.StatusActive, Cluster: clusterName,
			Isolation: registry.IsolationSchema, Schema: name,
		}
	}
	source, err := registry.NewStatic(clusters, all...)
	if err != nil {
		return nil, err
	}
	records, err := registry.New(registry.Defaults(), source, nil)
	if err != nil {
		return nil, err
	}
	cfg := pools.Defaults()
	cfg.Clusters = clusters
	cfg.MaxPools = maxPools
	cfg.MaxConns = 1
	keeper, err := pools.New(cfg, records, nil)
	if err != nil {
		return nil, err
	}
	return &poolkeeper{keeper: keeper, common: common}, nil
}

func (p *poolkeeper) tenant(ctx context.Context, name string, h handlerFunc) error {
	id, err := registry.ParseID(name)
	if err != nil {
		return err
	}
	lease, err := p.keeper.Lease(ctx, id)
	if err != nil {
		return err
	}
	defer lease.Release()
	return h(ctx, lease)
}

func (p *poolkeeper) shared(ctx context.Context, h handlerFunc) error { return h(ctx, p.common) }

func (p *poolkeeper) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = p.keeper.Close(ctx)
	p.common.Close()
}
