package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/poolkeeper/poolkeeper/config"
	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server"
)

// system is everything that runs while Poolkeeper serves.
type system struct {
	log      *slog.Logger
	metrics  *metrics.Metrics
	registry *registry.Registry
	keeper   *pools.Keeper
	server   *server.Server
	door     *frontDoor
	timeout  time.Duration // for closing the pools when the server did not
}

// wire makes the parts and hands each the ones below it. Nothing listens and
// no connection is open afterwards.
//
// p is nil for a program without a control database. open is done once the
// server listens and before it serves; nil for nothing.
func wire(cfg *config.Config, source registry.Source, p *plane, m *metrics.Metrics, log *slog.Logger, open func(context.Context, *system) error) (*system, error) {
	tenants, err := registry.New(cfg.Registry, source, m)
	if err != nil {
		return nil, err
	}
	cfg.Pools.Log = log
	keeper, err := pools.New(cfg.Pools, tenants, m)
	if err != nil {
		return nil, err
	}
	tenants.Subscribe(keeper.Apply)
	m.Watch(keeper, tenants.Count, slices.Sorted(maps.Keys(cfg.Clusters))...)

	s := &system{log: log, metrics: m, registry: tenants, keeper: keeper, timeout: cfg.Server.DrainTimeout}
	if s.door, err = newFrontDoor(cfg, p, m, log); err != nil {
		return nil, errors.Join(err, s.closePools())
	}
	way, err := router.New(cfg.Router, router.Deps{
		Tenants: tenants, Pools: keeper, Observer: m, Keys: s.door.keys, Tokens: s.door.tokens, Admission: s.door.admission,
	})
	if err != nil {
		return nil, errors.Join(err, s.closePools())
	}
	deps := server.Deps{
		Router: way, Keeper: keeper, Registry: tenants, Metrics: m.Handler(), Observer: m,
		Log: log, Version: thisBuild().version,
		PathPrefix: cfg.Router.PathPrefix, Header: cfg.Router.Header,
		Cache: s.door.cache, Flush: s.door.cache.Flush,
		Warm: keeper.Warm, Doctor: doctorOf(cfg, p, keeper.Dialer),
	}
	if p != nil {
		deps.Operator, deps.Keeper = p.operator, lastKeeper{keeper, p.operator.Close}
	}
	if open != nil {
		deps.Open = func(ctx context.Context) error { return open(ctx, s) }
	}
	s.server, err = server.New(cfg.Server, deps)
	if err != nil {
		return nil, errors.Join(err, s.closePools())
	}
	return s, nil
}

// lastKeeper closes its pools when nothing else needs the servers any more:
// operations are ended first, each with its reason. Their connections count in
// the keeper's budgets, so after it they would fail as if somebody had refused
// them.
type lastKeeper struct {
	*pools.Keeper
	endOperations func()
}

// Close ends the operations, then the pools.
func (k lastKeeper) Close(ctx context.Context) error {
	k.endOperations()
	return k.Keeper.Close(ctx)
}

// run listens, opens what wire was told to, and serves until ctx ends or a
// listener fails, then stops in this order: the server says "not ready", stops
// accepting, waits for requests and leases, ends operations and closes the
// pools; then nothing follows the tenants' records any more. The caller stops
// what lies below (dev: PostgreSQL) after run returned. What goes on beside
// begins when it serves and ends with it.
func (s *system) run(ctx context.Context, ready func(Addresses), beside ...func(context.Context)) error {
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { s.metrics.Run(watching) })
	running.Go(func() {
		select {
		case <-s.server.Ready():
		case <-watching.Done():
			return
		}
		for _, work := range append(beside, s.follow) {
			running.Go(func() { work(watching) })
		}
		ready(Addresses{Data: s.server.Addr(), Admin: s.server.AdminAddr()})
	})

	err := s.server.Run(ctx)
	err = errors.Join(err, s.closePools())
	stopWatching()
	running.Wait()
	return err
}

// follow keeps the registry in step with its source. When that fails the
// records that are known go on being served.
func (s *system) follow(ctx context.Context) {
	if err := s.registry.Run(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("changes of tenants are no longer followed; restart to follow them again", "error", err)
	}
}

// closePools is for when the server stopped before it got to closing them;
// closing twice does nothing.
func (s *system) closePools() error {
	// The program's own context has ended when this is called.
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	if s.door != nil {
		s.door.close()
	}
	if err := s.keeper.Close(ctx); err != nil {
		return fmt.Errorf("closing the pools: %w", err)
	}
	return nil
}
