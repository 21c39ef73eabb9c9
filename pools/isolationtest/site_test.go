package isolationtest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/isolationtest"
	"github.com/poolkeeper/poolkeeper/registry"
)

// site is a database with two tenants, a and b.
type site struct {
	server   *pgtest.Server
	database string
	app      string // the cluster's login
	records  map[registry.ID]*registry.Tenant
}

func id(name string) registry.ID { return registry.MustParseID(name) }

// Tenant is pools.Tenants.
func (s *site) Tenant(_ context.Context, id registry.ID) (*registry.Tenant, error) {
	if t := s.records[id]; t != nil {
		return t, nil
	}
	return nil, registry.ErrUnknown
}

func newSite(t pgtest.TB) *site {
	t.Helper()
	server := pgtest.Shared()
	s := &site{server: server, database: server.Database(t), records: map[registry.ID]*registry.Tenant{}}
	s.app = s.database + "_app"
	s.admin(t, "", login(s.app))
	return s
}

func login(name string) string { return "CREATE ROLE " + name + " LOGIN PASSWORD 'pw'" }

// admin runs statements as the superuser.
func (s *site) admin(t pgtest.TB, database string, statements ...string) {
	t.Helper()
	if database == "" {
		database = s.database
	}
	c, err := pgx.Connect(t.Context(), s.server.AdminDSN(database))
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer c.Close(t.Context())
	for _, sql := range statements {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// schemas gives both tenants a schema, and a login each when own.
func (s *site) schemas(t pgtest.TB, own bool) {
	t.Helper()
	for _, name := range []string{"a", "b"} {
		record := &registry.Tenant{
			ID: id(name), Status: registry.StatusActive, Cluster: "main", Version: 1,
			Isolation: registry.IsolationSchema, Schema: name, SharedLogin: !own,
		}
		owner := s.app
		if own {
			owner = s.database + "_" + name
			record.Login, record.Password = owner, registry.NewSecret("pw")
			s.admin(t, "", login(owner))
		}
		s.admin(t, "", "CREATE SCHEMA "+name+" AUTHORIZATION "+owner,
			fmt.Sprintf("CREATE TABLE %s.notes (id serial, body text)", name),
			fmt.Sprintf("ALTER TABLE %s.notes OWNER TO %s", name, owner))
		s.records[record.ID] = record
	}
}

// databases gives each tenant a database and a login.
func (s *site) databases(t pgtest.TB) {
	t.Helper()
	for _, name := range []string{"a", "b"} {
		own := s.server.Database(t)
		s.admin(t, "", login(own))
		s.admin(t, own, "CREATE TABLE notes (id serial, body text)", "ALTER TABLE notes OWNER TO "+own)
		s.records[id(name)] = &registry.Tenant{
			ID: id(name), Status: registry.StatusActive, Cluster: "main", Version: 1,
			Isolation: registry.IsolationDatabase, Database: own, Login: own, Password: registry.NewSecret("pw"),
		}
	}
}

// rows has both tenants share a table, under a policy if that is so.
func (s *site) rows(t pgtest.TB, policy bool) {
	t.Helper()
	s.admin(t, "", "CREATE SCHEMA tables",
		"CREATE TABLE tables.notes (tenant text NOT NULL DEFAULT current_setting('app.tenant_id'), body text)",
		"GRANT USAGE ON SCHEMA tables TO "+s.app, "GRANT ALL ON tables.notes TO "+s.app)
	if policy {
		s.admin(t, "", "ALTER TABLE tables.notes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
			"CREATE POLICY own ON tables.notes USING (tenant = current_setting('app.tenant_id'))")
	}
	for _, name := range []string{"a", "b"} {
		s.records[id(name)] = &registry.Tenant{
			ID: id(name), Status: registry.StatusActive, Cluster: "main", Version: 1,
			Isolation: registry.IsolationRow, Schema: "tables", SharedLogin: true,
		}
	}
}

// setup starts a keeper, which the test closes.
func (s *site) setup(t pgtest.TB) isolationtest.Setup {
	t.Helper()
	return s.setupWith(t, pools.Defaults())
}

func (s *site) setupWith(t pgtest.TB, cfg pools.Config) isolationtest.Setup {
	t.Helper()
	cfg.Clusters = map[string]registry.Cluster{"main": {DSN: registry.NewSecret(s.server.DSN(s.database, s.app, "pw"))}}
	k, err := pools.New(cfg, s, nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := k.Close(ctx); err != nil {
			t.Fatalf("%v", err)
		}
	})
	return isolationtest.Setup{Keeper: k, A: id("a"), B: id("b"), Table: "notes", Column: "body"}
}
