package main

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// openPool opens an ordinary pool with at most conns connections.
func openPool(ctx context.Context, dsn string, conns int32) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = conns
	return pgxpool.NewWithConfig(ctx, cfg)
}

// setPerRequest is the tutorial's way: one pool, and a middleware that sets the
// search_path before the handler runs. The pool gives the handler any
// connection, not the one that was set; and nobody sets the path back.
type setPerRequest struct{ pool *pgxpool.Pool }

func (s *setPerRequest) tenant(ctx context.Context, name string, h handlerFunc) error {
	if _, err := s.pool.Exec(ctx, "SET search_path TO "+pgx.Identifier{name}.Sanitize()); err != nil {
		return err
	}
	return h(ctx, s.pool)
}

func (s *setPerRequest) shared(ctx context.Context, h handlerFunc) error { return h(ctx, s.pool) }

func (s *setPerRequest) close() { s.pool.Close() }

// setAndReset is the careful way: the request holds one connection, and a defer
// resets the path. When the client has left, the context is over and the RESET
// never reaches the server; the pool cannot know and lends the connection on.
type setAndReset struct{ pool *pgxpool.Pool }

func (s *setAndReset) tenant(ctx context.Context, name string, h handlerFunc) error {
	return s.shared(ctx, func(ctx context.Context, conn querier) error {
		if _, err := conn.Exec(ctx, "SET search_path TO "+pgx.Identifier{name}.Sanitize()); err != nil {
			return err
		}
		defer func() { _, _ = conn.Exec(ctx, "RESET search_path") }()
		return h(ctx, conn)
	})
}

func (s *setAndReset) shared(ctx context.Context, h handlerFunc) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return h(ctx, conn)
}

func (s *setAndReset) close() { s.pool.Close() }

// poolMap is a pool for each tenant, opened at the first request and kept. It
// does not mix tenants by itself, but nothing bounds the connections in all: the
// pools keep theirs until the server has none left. And a SET that a handler
// left behind meets the tenant again.
type poolMap struct {
	dsn    string
	common *pgxpool.Pool

	mu    sync.Mutex
	pools map[string]*pgxpool.Pool
}

func newPoolMap(dsn string, common *pgxpool.Pool) *poolMap {
	return &poolMap{dsn: dsn, common: common, pools: map[string]*pgxpool.Pool{}}
}

func (p *poolMap) tenant(ctx context.Context, name string, h handlerFunc) error {
	pool, err := p.pool(ctx, name)
	if err != nil {
		return err
	}
	return h(ctx, pool)
}

func (p *poolMap) pool(ctx context.Context, name string) (*pgxpool.Pool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pool, ok := p.pools[name]; ok {
		return pool, nil
	}
	cfg, err := pgxpool.ParseConfig(p.dsn)
	if err != nil {
		return nil, err
	}
	cfg.ConnConfig.RuntimeParams["search_path"] = pgx.Identifier{name}.Sanitize()
	// The pool outlives the request that happened to come first.
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), cfg)
	if err != nil {
		return nil, err
	}
	p.pools[name] = pool
	return pool, nil
}

func (p *poolMap) shared(ctx context.Context, h handlerFunc) error { return h(ctx, p.common) }

func (p *poolMap) close() {
	p.common.Close()
	for _, pool := range p.pools {
		pool.Close()
	}
}
