package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/poolkeeper/poolkeeper/config"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server"
)

// app is the library put together: the registry knows the tenants, the keeper
// their pools, and the handler finds both through the router.
type app struct {
	registry *registry.Registry
	keeper   *pools.Keeper
	handler  http.Handler
}

// open puts the pieces together. Nothing is connected before the first request.
// The tenants are those of the file, and follow it.
func open(cfg *config.Config, log io.Writer) (*app, error) {
	source, err := registry.NewFile(registry.FileConfig{
		Path: cfg.Path(), Dir: cfg.TenantsDir, Clusters: cfg.Clusters,
		Reloaded: func(_, _, _ int, err error) {
			if err != nil {
				fmt.Fprintln(log, "items: the tenants stay as they were:", err)
			}
		},
	})
	if err != nil {
		return nil, err
	}
	records, err := registry.New(cfg.Registry, source, nil)
	if err != nil {
		return nil, err
	}
	keeper, err := pools.New(cfg.Pools, records, nil)
	if err != nil {
		return nil, err
	}
	records.Subscribe(keeper.Apply)
	rt, err := router.New(cfg.Router, router.Deps{Tenants: records, Pools: keeper})
	if err != nil {
		return nil, errors.Join(err, keeper.Close(context.Background()))
	}
	return &app{registry: records, keeper: keeper, handler: newHandler(rt)}, nil
}

// serve answers requests until ctx ends. Then it stops in order: no new
// requests, the running ones to their end, the pools closed.
func (a *app) serve(ctx context.Context, cfg server.Config, ready func(address string)) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return errors.Join(err, a.keeper.Close(ctx))
	}
	var background sync.WaitGroup
	defer background.Wait()
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	background.Go(func() { _ = a.registry.Run(watching) })

	web := &http.Server{
		Handler:           a.handler,
		ReadHeaderTimeout: cfg.ReadHeaderTimeout,
		ReadTimeout:       cfg.ReadTimeout,
		WriteTimeout:      cfg.ReadTimeout + cfg.WriteTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		MaxHeaderBytes:    cfg.MaxHeaderBytes,
	}
	failed := make(chan error, 1)
	background.Go(func() { failed <- web.Serve(listener) })
	ready(listener.Addr().String())
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.DrainTimeout)
	defer cancel()
	return errors.Join(err, web.Shutdown(stop), a.keeper.Close(stop))
}
