package integration_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// fleet is a database with tenants of every kind, each of whose rows carries
// its name, and a keeper on it. public has tables of the same names with
// other content, so that a wrong search path shows as a wrong row.
type fleet struct {
	*pools.Keeper
	server   *pgtest.Server
	source   registry.Source
	registry *registry.Registry
	database string
	shared   string // the cluster's shared login
	observer pools.Observer
}

// password of every login in these tests.
const password = "pw"

// admin runs statements as the superuser.
func admin(t testing.TB, server *pgtest.Server, database string, statements ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, server.AdminDSN(database))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	for _, sql := range statements {
		if _, err := c.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func createLogin(name string) string {
	return fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", pgx.Identifier{name}.Sanitize(), password)
}

// newFleet creates tenants with the given isolation marks, in order: "own"
// (schema, own login), "shared" (schema, shared login), "database", "row".
func newFleet(t testing.TB, edit func(*pools.Config), marks ...string) *fleet {
	t.Helper()
	return newFleetOn(t, pgtest.Shared(), edit, marks...)
}

// newFleetOn is newFleet on a server of the test's own.
func newFleetOn(t testing.TB, server *pgtest.Server, edit func(*pools.Config), marks ...string) *fleet {
	t.Helper()
	f := &fleet{server: server, database: server.Database(t)}
	f.shared = f.database + "_app"
	f.prepare(t)
	tenants := make([]*registry.Tenant, len(marks))
	for i, mark := range marks {
		tenants[i] = f.create(t, fmt.Sprintf("%s-%d", mark, i), mark)
	}
	f.start(t, edit, tenants)
	return f
}

func (f *fleet) prepare(t testing.TB) {
	t.Helper()
	admin(t, f.server, f.database,
		createLogin(f.shared),
		"CREATE TABLE public.items (id int, tenant text); INSERT INTO public.items VALUES (1, 'PUBLIC')",
		"GRANT SELECT ON public.items TO PUBLIC",
		"CREATE SCHEMA tables; CREATE TABLE tables.items (id int, tenant text DEFAULT current_setting('app.tenant_id'))",
		"ALTER TABLE tables.items ENABLE ROW LEVEL SECURITY; ALTER TABLE tables.items FORCE ROW LEVEL SECURITY",
		"CREATE POLICY own ON tables.items USING (tenant = nullif(current_setting('app.tenant_id', true), ''))",
		"GRANT USAGE ON SCHEMA tables TO "+f.shared+"; GRANT ALL ON tables.items TO "+f.shared,
	)
	t.Cleanup(func() { admin(t, f.server, f.database, "DROP OWNED BY "+f.shared+" CASCADE", "DROP ROLE "+f.shared) })
}

func (f *fleet) create(t testing.TB, name, mark string) *registry.Tenant {
	t.Helper()
	record := &registry.Tenant{
		ID: registry.MustParseID(name), Name: name, Status: registry.StatusActive,
		Cluster: "main", Version: 1, Isolation: registry.IsolationSchema,
	}
	login := f.database + "_" + strings.ReplaceAll(name, "-", "_")
	quoted := pgx.Identifier{login}.Sanitize()
	items := "(id int, tenant text); INSERT INTO %s VALUES (1, '" + name + "'), (2, '" + name + "')"
	switch mark {
	case "own", "shared":
		record.Schema = strings.ReplaceAll(name, "-", "_")
		owner := f.shared
		if mark == "own" {
			record.Login, record.Password, owner = login, registry.NewSecret(password), quoted
			admin(t, f.server, f.database, createLogin(login))
			t.Cleanup(func() { admin(t, f.server, f.database, "DROP OWNED BY "+quoted+" CASCADE", "DROP ROLE "+quoted) })
		}
		table := record.Schema + ".items"
		admin(t, f.server, f.database, "CREATE SCHEMA "+record.Schema+" AUTHORIZATION "+owner,
			"CREATE TABLE "+table+" "+fmt.Sprintf(items, table), "GRANT ALL ON "+table+" TO "+owner)
	case "database":
		record.Isolation, record.Database = registry.IsolationDatabase, login
		record.Login, record.Password = login, registry.NewSecret(password)
		admin(t, f.server, "", createLogin(login), "CREATE DATABASE "+quoted)
		admin(t, f.server, login, "CREATE TABLE public.items "+fmt.Sprintf(items, "public.items"), "GRANT ALL ON items TO "+quoted)
		t.Cleanup(func() { admin(t, f.server, "", "DROP DATABASE "+quoted+" WITH (FORCE)", "DROP ROLE "+quoted) })
	case "row":
		record.Isolation, record.Schema = registry.IsolationRow, "tables"
		admin(t, f.server, f.database, "INSERT INTO tables.items VALUES (1, '"+name+"'), (2, '"+name+"')")
	default:
		t.Fatalf("no such mark: %s", mark)
	}
	return record
}

func (f *fleet) start(t testing.TB, edit func(*pools.Config), tenants []*registry.Tenant) {
	t.Helper()
	cfg := pools.Defaults()
	cfg.QueueTimeout, cfg.PoolWait = time.Minute, time.Minute // a loaded machine refuses nobody
	cfg.Clusters = map[string]registry.Cluster{
		"main": {DSN: registry.NewSecret(f.server.DSN(f.database, f.shared, password))},
	}
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	if edit != nil {
		edit(&cfg)
	}
	var err error
	if f.source == nil {
		if f.source, err = registry.NewStatic(cfg.Clusters, tenants...); err != nil {
			t.Fatal(err)
		}
	}
	if f.registry, err = registry.New(registry.Defaults(), f.source, nil); err != nil {
		t.Fatal(err)
	}
	if f.Keeper, err = pools.New(cfg, f.registry, f.observer); err != nil {
		t.Fatal(err)
	}
	f.registry.Subscribe(f.Apply)
	following, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- f.registry.Run(following) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("following the source: %v", err)
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		if err := f.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}

func (f *fleet) lease(t testing.TB, name string) *pools.Lease {
	t.Helper()
	l, err := f.Lease(t.Context(), registry.MustParseID(name))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// owner returns whose rows the lease sees.
func owner(t testing.TB, l *pools.Lease) string {
	t.Helper()
	var names string
	err := l.QueryRow(t.Context(), "SELECT coalesce(string_agg(DISTINCT tenant, ','), '') FROM items").Scan(&names)
	if err != nil {
		t.Fatalf("tenant %s: %v", l.Tenant().ID, err)
	}
	return names
}
