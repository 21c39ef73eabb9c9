package figures

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/bench/measure"
	"github.com/poolkeeper/poolkeeper/bench/world"
	"github.com/poolkeeper/poolkeeper/pools"
)

// askConn reads a row on a connection that is nobody's: the tenant's, whose
// table belongs to the login App, or public's instead of one that App may not
// read.
func askConn(ctx context.Context, conn *pgx.Conn, t world.Tenant) error {
	sql, want := t.Qualified(), t.Name
	if t.Login != "" {
		sql, want = "SELECT tenant FROM public.items WHERE id = $1", "PUBLIC"
	}
	var name string
	if err := conn.QueryRow(ctx, sql, 1).Scan(&name); err != nil {
		return err
	}
	return measure.Check(want, name)
}

// settle makes room for owners, whose connections nobody else can use: the
// tenants asked before are evicted, and spares filled up.
func (r *coldRun) settle(ctx context.Context, next []world.Tenant) error {
	if !r.own {
		return nil
	}
	for _, t := range r.world.Owners {
		if t.ID == next[0].ID {
			break
		}
		r.keeper.Evict(t.ID)
	}
	if err := r.world.AwaitQuiet(ctx, r.ready); err != nil {
		return err
	}
	return r.awaitSpares(ctx)
}

// awaitSpares returns when all spares are ready.
func (r *coldRun) awaitSpares(ctx context.Context) error {
	if r.ready == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		for _, stat := range r.keeper.Budgets() {
			if stat.Spares >= r.ready {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(errors.New("spares were not filled up"), ctx.Err())
		}
	}
}

// Cold are tenants whose first query a benchmark measures, on a budget that
// is full, and the baseline's way to reach them.
type Cold struct {
	run     *coldRun
	tenants []world.Tenant
}

// OpenCold opens a keeper with the world's tenants and fills its budget,
// plain or over TLS. Close it.
func OpenCold(ctx context.Context, w *world.World, secure bool) (*Cold, error) {
	b := &Bench{World: w, SQL: []pools.SQL{pools.Untrusted}}
	run, err := b.openCold(ctx, coldCase{secure: secure})
	return &Cold{run, w.Tenants}, err
}

// Handoff asks for a tenant without a connection: they are asked for in turn,
// and there are more of them than connections.
func (c *Cold) Handoff(ctx context.Context, i int) error {
	next := len(c.tenants) - len(c.run.fresh) // the first ones have the connections
	return c.run.keeper.Ask(ctx, c.tenants[(next+i)%len(c.tenants)], 1)
}

// NewConnection opens a connection and asks for the tenant on it. Close it.
func (c *Cold) NewConnection(ctx context.Context, i int) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, c.run.dial.Copy())
	if err != nil {
		return nil, err
	}
	return conn, askConn(ctx, conn, c.tenants[i%len(c.tenants)])
}

// Close closes the keeper.
func (c *Cold) Close() error { return c.run.keeper.Close() }
