package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os/user"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/config"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server"
)

// direct answers the admin API in this process, by working on the databases
// itself: for --direct. closing ends it.
func (a *App) direct(ctx context.Context, path string) (transport http.RoundTripper, closing func() error, err error) {
	cfg, err := config.Load(path, a.Env)
	if err != nil {
		return nil, nil, err
	}
	if cfg.Log.SlogLevel() == slog.LevelInfo {
		cfg.Log.Level = "warn" // what a server tells of its requests is no news to whoever asks
	}
	log := newLog(cfg.Log, a.Stderr)
	p, err := newPlane(cfg, nil, log)
	if err != nil {
		return nil, nil, err
	}
	deps := server.AdminDeps{
		Doctor: doctorOf(cfg, p, nil), Log: log, Version: thisBuild().version, Actor: "direct:" + userName(),
	}
	closing = func() error { return nil }
	if p == nil {
		if deps.Registry, err = fileRegistry(cfg); err != nil {
			return nil, nil, err
		}
	} else {
		if err := p.db.Open(ctx); err != nil {
			p.close()
			return nil, nil, errors.Join(errors.New("the control database cannot be used"), err)
		}
		deps.Operator = p.operator
		closing = func() error { p.close(); return nil }
	}
	handler, err := server.NewAdmin(cfg.Server, deps)
	if err != nil {
		return nil, nil, errors.Join(err, closing())
	}
	return adminapi.InProcess(handler), closing, nil
}

// fileRegistry looks the tenants of the file up, as they were loaded.
func fileRegistry(cfg *config.Config) (*registry.Registry, error) {
	tenants, err := registry.NewStatic(cfg.Clusters, cfg.Tenants...)
	if err != nil {
		return nil, err
	}
	return registry.New(cfg.Registry, tenants, nil)
}

// userName is who sits at the command line, for the audit trail.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}
