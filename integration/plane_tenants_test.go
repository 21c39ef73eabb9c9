package integration_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// done waits for an operation that should go well.
func (p *plane) done(t testing.TB, op control.Operation, err error) control.Operation {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	op = p.ended(t, op)
	if op.State != control.Done {
		t.Fatalf("%s of %s ended as %s at %q: %s", op.Kind, op.Tenant, op.State, op.Step, op.Error)
	}
	return op
}

func (p *plane) ended(t testing.TB, op control.Operation) control.Operation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	last := op
	if err := p.operator.Follow(ctx, op.ID, func(op control.Operation) error { last = op; return nil }); err != nil {
		t.Fatal(err)
	}
	return last
}

// stock keeps spares until the test, or what it returns, says stop.
func (p *plane) stock(t testing.TB) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.operator.Stock(ctx) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(func() {
		stop()
		p.dropSpares(t)
	})
	return stop
}

func (p *plane) dropSpares(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	spares, err := p.db.Spares(ctx)
	if err != nil {
		t.Error(err)
	}
	for _, s := range spares {
		if err := p.provisioner.Drop(ctx, &s.Tenant); err != nil {
			t.Error(err)
		}
	}
}

// add makes a tenant of an isolation.
func (p *plane) add(t testing.TB, name string, isolation registry.Isolation) *control.Record {
	t.Helper()
	spec := lifecycle.Spec{Tenant: registry.Tenant{ID: p.id(name), Isolation: isolation}}
	if isolation == registry.IsolationRow {
		spec.Tenant.Schema = p.prefix + "_shared"
	}
	op, err := p.operator.Add(t.Context(), "test", spec)
	p.done(t, op, err)
	return p.record(t, spec.Tenant.ID)
}

func (p *plane) record(t testing.TB, id registry.ID) *control.Record {
	t.Helper()
	r, err := p.db.Record(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// connect logs in as the tenant, as its pool would.
func (p *plane) connect(t testing.TB, r *control.Record) (*pgx.Conn, error) {
	t.Helper()
	cfg, err := pgx.ParseConfig(p.setup.DSN)
	if err != nil {
		t.Fatal(err)
	}
	if r.Login != "" {
		cfg.User, cfg.Password = r.Login, r.Password.Reveal()
	}
	if r.Database != "" {
		cfg.Database = r.Database
	}
	return pgx.ConnectConfig(t.Context(), cfg)
}

// works fails the test when the tenant cannot use its table.
func (p *plane) works(t testing.TB, r *control.Record) {
	t.Helper()
	p.has(t, r, 1)
}

// has fails the test when the tenant has not so many items.
func (p *plane) has(t testing.TB, r *control.Record, want int) {
	t.Helper()
	c, err := p.connect(t, r)
	if err != nil {
		t.Fatalf("%s: %v", r.ID, err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	var n int
	if err := c.QueryRow(t.Context(), "select count(*) from items").Scan(&n); err != nil || n != want {
		t.Fatalf("%s: %d items, %v", r.ID, n, err)
	}
}

// leftovers lists what the server has of a tenant.
func (p *plane) leftovers(t testing.TB, id registry.ID) []string {
	t.Helper()
	c, err := pgx.Connect(t.Context(), p.setup.Admin)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	name := strings.ReplaceAll(id.String(), "-", "_")
	return p.texts(t.Context(), t, c, `
		select 'role ' || rolname::text from pg_roles where rolname in ($1::text, $1 || '_login', $1 || '_owner', $2::text || '_owner')
		union all select 'schema ' || nspname::text from pg_namespace where nspname = $1
		union all select 'database ' || datname::text from pg_database where datname = $1`, name, id.String())
}
