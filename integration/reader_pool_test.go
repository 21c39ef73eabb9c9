package integration_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// readable gives a tenant of a schema of its own a login that may only read.
func (f *fleet) readable(t testing.TB, record *registry.Tenant) {
	t.Helper()
	record.ReadLogin, record.ReadPassword = record.Login+"_reader", registry.NewSecret(password)
	reader, schema := pgx.Identifier{record.ReadLogin}.Sanitize(), pgx.Identifier{record.Schema}.Sanitize()
	admin(t, f.server, f.database, createLogin(record.ReadLogin),
		"GRANT USAGE ON SCHEMA "+schema+" TO "+reader, "GRANT SELECT ON ALL TABLES IN SCHEMA "+schema+" TO "+reader)
	t.Cleanup(func() { admin(t, f.server, f.database, "DROP OWNED BY "+reader+" CASCADE", "DROP ROLE "+reader) })
}

// newReadableFleet is a newFleet of two tenants with logins of their own, of
// which the first has a reader.
func newReadableFleet(t *testing.T) (f *fleet, tenants []*registry.Tenant) {
	t.Helper()
	f = &fleet{server: pgtest.Shared()}
	f.database = f.server.Database(t)
	f.shared = f.database + "_app"
	f.prepare(t)
	tenants = []*registry.Tenant{f.create(t, "acme", "own"), f.create(t, "other", "own")}
	f.readable(t, tenants[0])
	f.start(t, nil, tenants)
	return f, tenants
}

// mustFail checks the SQLSTATE of a statement.
func mustFail(t *testing.T, l *pools.Lease, sql, code string) {
	t.Helper()
	_, err := l.Exec(t.Context(), sql)
	if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != code {
		t.Errorf("%s: %v, want %s", sql, err, code)
	}
}

func TestAReadersLeaseReadsTheTenantsRowsAndWritesNothing(t *testing.T) {
	t.Parallel()
	f, tenants := newReadableFleet(t)
	reader, err := f.Lease(t.Context(), tenants[0].ID.Reader())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	own := f.lease(t, "acme")
	defer own.Release()

	if got := owner(t, reader); got != "acme" {
		t.Errorf("it sees the rows of %q", got)
	}
	for _, sql := range []string{
		"INSERT INTO items VALUES (3, 'x')", "UPDATE items SET id = 4", "DELETE FROM items", "TRUNCATE items",
		"CREATE TABLE mine ()", "SELECT * FROM items FOR UPDATE", "SELECT * FROM other.items", "SET ROLE " + pgx.Identifier{tenants[0].Login}.Sanitize(),
		"SET SESSION AUTHORIZATION " + pgx.Identifier{tenants[0].Login}.Sanitize(),
	} {
		mustFail(t, reader, sql, "42501")
	}
	if _, err := own.Exec(t.Context(), "INSERT INTO items VALUES (3, 'acme')"); err != nil {
		t.Errorf("the tenant's own lease: %v", err)
	}
	c, err := reader.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	if err := c.Walled(); err != nil {
		t.Errorf("its SQL is said to reach others: %v", err)
	}
}

func TestATenantWithoutAReaderHasNoReadersLease(t *testing.T) {
	t.Parallel()
	f, tenants := newReadableFleet(t)
	if _, err := f.Lease(t.Context(), tenants[1].ID.Reader()); !errors.Is(err, registry.ErrNoReader) {
		t.Errorf("got %v", err)
	}
}

// What is told of the tenant is told of its reader: neither has a session on
// the server after the suspension, and neither is lent.
func TestASuspensionEndsTheSessionsOfTheReaderToo(t *testing.T) {
	t.Parallel()
	f, tenants := newReadableFleet(t)
	both := []registry.ID{tenants[0].ID, tenants[0].ID.Reader()}
	for _, id := range both {
		l, err := f.Lease(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		owner(t, l)
		l.Release()
	}
	if n := sessions(t, f, tenants[0]); n != 2 {
		t.Fatalf("%d sessions before", n)
	}
	gone := *tenants[0]
	gone.Status = registry.StatusSuspended
	if err := f.source.(*registry.Static).Replace(&gone, tenants[1]); err != nil {
		t.Fatal(err)
	}
	for _, id := range both {
		if _, err := f.Lease(t.Context(), id); !errors.Is(err, registry.ErrInactive) {
			t.Errorf("%s: %v", id, err)
		}
	}
	eventually(t, "the sessions end", func() bool { return sessions(t, f, tenants[0]) == 0 })
}

// The tenant's pool goes on when its reader's password alone is another.
func TestAReadersNewPasswordReplacesTheReadersPoolAlone(t *testing.T) {
	t.Parallel()
	f, tenants := newReadableFleet(t)
	own := f.lease(t, "acme")
	defer own.Release()
	reader, err := f.Lease(t.Context(), tenants[0].ID.Reader())
	if err != nil {
		t.Fatal(err)
	}
	reader.Release()
	admin(t, f.server, f.database, "ALTER ROLE "+pgx.Identifier{tenants[0].ReadLogin}.Sanitize()+" PASSWORD 'next'")
	next := *tenants[0]
	next.ReadPassword = registry.NewSecret("next")
	if err := f.source.(*registry.Static).Replace(&next, tenants[1]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the reader's pool is replaced", func() bool {
		for _, s := range f.Stats() {
			if s.Tenant.IsReader() {
				return s.Version > own.Tenant().Version || s.State != pools.StateReady
			}
		}
		return true
	})
	again, err := f.Lease(t.Context(), tenants[0].ID.Reader())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Release()
	if got := owner(t, again); got != "acme" {
		t.Errorf("it sees the rows of %q", got)
	}
	for _, s := range f.Stats() {
		if s.Tenant == tenants[0].ID && s.State != pools.StateReady {
			t.Errorf("the tenant's own pool is %s: %s", s.State, s.Reason)
		}
	}
}

// sessions counts those of a tenant and its reader on the server.
func sessions(t *testing.T, f *fleet, record *registry.Tenant) (n int) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), f.server.AdminDSN(f.database))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	if err := c.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE usename = ANY($1)",
		[]string{record.Login, record.ReadLogin}).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
