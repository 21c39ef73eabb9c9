package ways

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolkeeper/poolkeeper/bench/world"
)

// SetSearchPath is the usual way with one shared pool: set the path, query,
// reset it. That it mixes tenants up when something goes wrong in between is
// shown by examples/leak; here nothing does.
func SetSearchPath(ctx context.Context, w *world.World) (*Way, error) {
	pool, err := sharedPool(ctx, w, nil)
	if err != nil {
		return nil, err
	}
	way := &Way{Name: "SET search_path on a shared pool", close: closing(pool)}
	return way.serve(ctx, plain(w.Tenants, func(ctx context.Context, t *world.Tenant, row int) (string, error) {
		return setQueryReset(ctx, pool, t, row)
	}))
}

func setQueryReset(ctx context.Context, pool *pgxpool.Pool, t *world.Tenant, row int) (name string, err error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "SET search_path TO "+pgx.Identifier{t.Schema}.Sanitize(), pgx.QueryExecModeSimpleProtocol); err != nil {
		return "", err
	}
	if err := conn.QueryRow(ctx, world.SQL, row).Scan(&name); err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, "RESET search_path", pgx.QueryExecModeSimpleProtocol)
	return name, err
}

// SetLocal is the strongest form of a shared pool: the path is set for the
// transaction alone, in the same round trip as the query.
func SetLocal(ctx context.Context, w *world.World) (*Way, error) {
	pool, err := sharedPool(ctx, w, nil)
	if err != nil {
		return nil, err
	}
	way := &Way{Name: "SET LOCAL, pipelined, on a shared pool", close: closing(pool)}
	return way.serve(ctx, plain(w.Tenants, func(ctx context.Context, t *world.Tenant, row int) (name string, err error) {
		var batch pgx.Batch
		// As a function, because SET LOCAL takes no parameters.
		batch.Queue("SELECT set_config('search_path', $1, true)", t.Schema)
		batch.Queue(world.SQL, row).QueryRow(func(row pgx.Row) error { return row.Scan(&name) })
		err = pool.SendBatch(ctx, &batch).Close()
		return name, err
	}))
}

// MapOfPools is a pool for each tenant, of up to four connections, made when
// it is first wanted and kept. Nobody counts them all, so the server has to:
// its login may have no more connections than the others' budget.
func MapOfPools(ctx context.Context, w *world.World) (*Way, error) {
	m := NewMap(w, world.Limited)
	way := &Way{Name: "a map of pools", close: m.Close}
	return way.serve(ctx, plain(w.Tenants, m.Ask))
}

// Map is a naive map of pools.
type Map struct {
	dsn string

	mu    sync.Mutex // guards pools
	pools map[string]*pgxpool.Pool
}

// NewMap returns an empty map whose pools use the login.
func NewMap(w *world.World, login string) *Map {
	return &Map{dsn: w.DSN(login), pools: map[string]*pgxpool.Pool{}}
}

// Ask reads the tenant's name through the tenant's pool.
func (m *Map) Ask(ctx context.Context, t *world.Tenant, row int) (name string, err error) {
	pool, err := m.pool(ctx, t)
	if err != nil {
		return "", err
	}
	err = pool.QueryRow(ctx, world.SQL, row).Scan(&name)
	return name, err
}

func (m *Map) pool(ctx context.Context, t *world.Tenant) (*pgxpool.Pool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if pool, ok := m.pools[t.Name]; ok {
		return pool, nil
	}
	cfg, err := pgxpool.ParseConfig(m.dsn)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 4
	cfg.ConnConfig.RuntimeParams["search_path"] = t.Schema
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), cfg)
	if err == nil {
		m.pools[t.Name] = pool
	}
	return pool, err
}

// Close closes all pools.
func (m *Map) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var closing sync.WaitGroup
	for _, pool := range m.pools {
		closing.Go(pool.Close)
	}
	closing.Wait()
	return nil
}
