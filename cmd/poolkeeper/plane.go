package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/poolkeeper/poolkeeper/config"
	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// plane is what a program with a control database has: the records, and who
// changes them.
type plane struct {
	db          *control.Database
	operator    *lifecycle.Operator
	provisioner *onboard.Provisioner
	clusters    map[string]registry.Cluster
	dsn         registry.Secret
	log         *slog.Logger
}

// newPlane connects to nothing; open does. It is nil when the configuration
// has no control database.
func newPlane(cfg *config.Config, observer lifecycle.Observer, log *slog.Logger) (*plane, error) {
	if cfg.Control.DSN.IsZero() {
		return nil, nil //nolint:nilnil // there is none, which is no error
	}
	db, err := control.New(cfg.Control, control.Options{
		Clusters: cfg.Clusters, Plans: cfg.Plans, StaleFor: cfg.Registry.StaleFor, Log: log,
	})
	if err != nil {
		return nil, err
	}
	provisioner, err := onboard.New(cfg.Onboard, cfg.Clusters, log)
	if err != nil {
		return nil, err
	}
	operator := lifecycle.New(lifecycle.Deps{
		Control: db, Provisioner: provisioner, Clusters: cfg.Clusters, Plans: cfg.Plans, Config: cfg.Onboard,
		Observer: observer, Log: log,
	})
	return &plane{
		db: db, operator: operator, provisioner: provisioner, clusters: cfg.Clusters, dsn: cfg.Control.DSN, log: log,
	}, nil
}

// hook has the pools ask about passwords and, when they are to be lazy, about
// migrations. Call it before the keeper is made.
func (p *plane) hook(cfg *config.Config) {
	cfg.Pools.Refresh = p.operator.Password
	if cfg.Onboard.Lazy {
		cfg.Pools.Prepare = p.operator.Prepare
	}
}

// through has the connections of the plane count in the budgets.
func (p *plane) through(ctx context.Context, keeper *pools.Keeper) {
	learnBudgets(ctx, p.provisioner, p.clusters, keeper, p.log)
	taken := map[string]int{}
	if name, ok := registry.ClusterAt(p.clusters, p.dsn); ok {
		taken[name] = p.share(name, keeper)
	}
	withinBudget(p.provisioner, keeper, taken)
	p.provisioner.Reserving(keeper.Reserve)
}

// share has the control database live within the budget of the cluster whose
// server it is on, and returns how many connections that takes: a quarter, so
// that the tenants and onboarding have room beside it.
func (p *plane) share(cluster string, keeper *pools.Keeper) int {
	budget := 0
	for _, b := range keeper.Budgets() {
		if b.Cluster == cluster {
			budget = b.Budget
		}
	}
	conns := min(max(1, budget/4), control.MaxConns)
	if conns == 1 && budget > onboard.Connections+3 {
		conns = 2 // a writer that waits does not keep the heartbeat waiting
	}
	if least := conns + 1 + onboard.Connections; budget < least {
		p.log.Warn("the budget has no room for onboarding beside the control database, which is on the same server",
			"cluster", cluster, "budget", budget, "needed", least)
	}
	p.db.Share(conns)
	p.db.Through(keeper.Dialer(cluster))
	return conns + 1 // and the one that listens
}

// How long to wait before the control database is tried again; doubled with
// every failure.
const (
	firstReach = 500 * time.Millisecond
	lastReach  = 10 * time.Second
)

// reach waits for the control database while it is away: a server that starts
// while it is would otherwise have to be started again by somebody.
func (p *plane) reach(ctx context.Context) error {
	for wait := firstReach; ; wait = min(2*wait, lastReach) {
		away, err := p.db.Reach(ctx)
		if err == nil || !away {
			return err
		}
		p.log.ErrorContext(ctx, "the control database cannot be reached; nothing is served before it can", "again_in", wait, "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// open connects to the control database, once it is there, and reads the
// tenants.
func (p *plane) open(ctx context.Context) error {
	if err := p.reach(ctx); err != nil {
		return fmt.Errorf("control database: %w", err)
	}
	if err := p.db.Open(ctx); err != nil {
		return fmt.Errorf("control database: %w", err)
	}
	if err := p.db.Load(ctx); err != nil {
		return fmt.Errorf("control database: reading the tenants: %w", err)
	}
	return nil
}

// close ends what is under way, then the connections.
func (p *plane) close() {
	p.operator.Close()
	p.db.Close()
}

// declare brings about what the file declares. A tenant that fails does not
// keep the others from it.
func (p *plane) declare(ctx context.Context, docs []registry.Document) (failed []error, err error) {
	begun := time.Now()
	changes := 0
	err = p.operator.Reconcile(ctx, docs, func(c lifecycle.ApplyChange) {
		changes++
		if c.Error != "" {
			failed = append(failed, fmt.Errorf("tenant %s could not be onboarded: %s", c.Tenant, c.Error))
			p.log.ErrorContext(ctx, "tenant is not as the file declares it", "tenant", c.Tenant, "action", c.Action, "error", c.Error)
			return
		}
		p.log.InfoContext(ctx, "tenant is as the file declares it", "tenant", c.Tenant, "action", c.Action)
	})
	if err == nil && changes > 0 {
		p.log.InfoContext(ctx, "the file was applied", "changes", changes, "failed", len(failed), "took", time.Since(begun).Round(time.Millisecond))
	}
	return failed, err
}
