package ways

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolkeeper/poolkeeper/bench/world"
)

// LimitName is the name of the Way that Limit returns.
const LimitName = "the limit"

// limitCache holds a statement for each tenant; with the driver's default of
// 512, a thousand of them would be prepared again all the time.
const limitCache = 2048

// Limit is the most that can be had: one shared pool of the same size, SQL
// qualified with the schema, no tenancy at all. clients is how many of its
// connections will be busy at once.
func Limit(ctx context.Context, w *world.World, clients int) (*Way, error) {
	pool, err := sharedPool(ctx, w, func(c *pgxpool.Config) { c.ConnConfig.StatementCacheCapacity = limitCache })
	if err != nil {
		return nil, err
	}
	statements := make(map[string]string, len(w.Tenants))
	for _, t := range w.Tenants {
		statements[t.Name] = t.Qualified()
	}
	way := &Way{
		Name: LimitName, close: closing(pool),
		warm: func(ctx context.Context) error { return prepareAll(ctx, pool, min(clients, world.Budget), statements) },
	}
	return way.serve(ctx, plain(w.Tenants, func(ctx context.Context, t *world.Tenant, row int) (name string, err error) {
		err = pool.QueryRow(ctx, statements[t.Name], row).Scan(&name)
		return name, err
	}))
}

func sharedPool(ctx context.Context, w *world.World, edit func(*pgxpool.Config)) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(w.DSN(world.App))
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = world.Budget
	if edit != nil {
		edit(cfg)
	}
	return pgxpool.NewWithConfig(ctx, cfg)
}

func closing(pool *pgxpool.Pool) func() error {
	return func() error {
		pool.Close()
		return nil
	}
}

// prepareAll runs every statement on as many connections as will be used:
// after hours of traffic all of them would be prepared, and an unfinished
// limit would flatter the rest.
func prepareAll(ctx context.Context, pool *pgxpool.Pool, conns int, statements map[string]string) error {
	errs := make(chan error, conns)
	var taken sync.WaitGroup // until all have a connection, so that each has another one
	taken.Add(conns)
	for range conns {
		go func() { errs <- prepareOn(ctx, pool, &taken, statements) }()
	}
	var err error
	for range conns {
		if e := <-errs; err == nil {
			err = e
		}
	}
	return err
}

func prepareOn(ctx context.Context, pool *pgxpool.Pool, taken *sync.WaitGroup, statements map[string]string) error {
	conn, err := pool.Acquire(ctx)
	taken.Done()
	if err != nil {
		return err
	}
	defer conn.Release()
	taken.Wait()
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql, 1); err != nil {
			return err
		}
	}
	return nil
}
