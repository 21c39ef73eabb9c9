package isolationtest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
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

func TestTenantsThatAreIsolatedPass(t *testing.T) {
	t.Parallel()
	for name, found := range map[string]func(*site, pgtest.TB){
		"schemas with logins of their own": func(s *site, t pgtest.TB) { s.schemas(t, true) },
		"schemas with a shared login":      func(s *site, t pgtest.TB) { s.schemas(t, false) },
		"databases":                        (*site).databases,
		"rows":                             func(s *site, t pgtest.TB) { s.rows(t, true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			found(s, t)
			isolationtest.Run(t, s.setup(t))
		})
	}
}

func TestNothingIsLeftInTheTenantsTables(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.schemas(t, true)
	setup := s.setup(t)
	if err := isolationtest.Check(t.Context(), setup); err != nil {
		t.Error(err)
	}
	for _, tenant := range []registry.ID{setup.A, setup.B} {
		l, err := setup.Keeper.Lease(t.Context(), tenant)
		if err != nil {
			t.Fatal(err)
		}
		var left int
		if err := l.QueryRow(t.Context(), "SELECT count(*) FROM notes").Scan(&left); err != nil || left != 0 {
			t.Errorf("tenant %s has %d rows: %v", tenant, left, err)
		}
		l.Release()
	}
}

func TestTenantsThatShareTheirDataFailAndAreToldWhatLeaks(t *testing.T) {
	t.Parallel()
	for name, found := range map[string]func(*site, pgtest.TB){
		"both are pinned to one schema": func(s *site, t pgtest.TB) {
			s.schemas(t, false)
			s.records[id("b")].Schema = "a"
		},
		"the shared table has no policy": func(s *site, t pgtest.TB) { s.rows(t, false) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			found(s, t)
			err := isolationtest.Check(t.Context(), s.setup(t))
			if err == nil {
				t.Fatal("nothing was noticed")
			}
			for _, want := range []string{
				"the same names hold each tenant's own rows: tenant b has 1 rows with the marker",
				"it sees what tenant a wrote, both work on the same rows",
				"aggregates take in the tenant's own rows alone: tenant a has 8 rows",
				"many at once see their own rows alone: with many at once: tenant b has 1 rows",
			} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not said in\n%v", want, err)
				}
			}
		})
	}
}

func TestASchemaOfTheOtherTenantInTheSearchPathFails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.schemas(t, false)
	cfg := pools.Defaults()
	cfg.SearchPathTail = []string{"b"}
	err := isolationtest.Check(t.Context(), s.setupWith(t, cfg))
	if want := `neither looks names up in the other's schema: tenant a looks names up in "b", which is the schema of tenant b`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error is %v", err)
	}
}

// leaky is a keeper whose evictions do more than they should.
type leaky struct {
	isolationtest.Keeper
	evict func()
}

func (l leaky) Evict(id registry.ID) bool {
	l.evict()
	return l.Keeper.Evict(id)
}

func TestAnEvictionThatCutsAQueryOffFails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.schemas(t, true)
	setup := s.setup(t)
	setup.Keeper = leaky{setup.Keeper, func() {
		s.admin(t, "", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+s.database+"_a'")
	}}
	err := isolationtest.Check(t.Context(), setup)
	if err == nil || !strings.Contains(err.Error(), "an eviction during a query mixes nothing up: ") {
		t.Errorf("error is %v", err)
	}
}

func TestStatementsOfTheUsersOwnAreUsed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.schemas(t, true)
	setup := s.setup(t)
	s.admin(t, "", "ALTER TABLE a.notes ADD kind text NOT NULL", "ALTER TABLE b.notes ADD kind text NOT NULL")
	if err := isolationtest.Check(t.Context(), setup); err == nil || !strings.Contains(err.Error(), "writing a row") {
		t.Errorf("error is %v", err)
	}
	setup.Insert = func(ctx context.Context, db isolationtest.DB, marker string) error {
		_, err := db.Exec(ctx, "INSERT INTO notes (kind, body) VALUES ('test', $1)", marker)
		return err
	}
	setup.Count = func(ctx context.Context, db isolationtest.DB, marker string) (n int, err error) {
		err = db.QueryRow(ctx, "SELECT count(*) FROM notes WHERE body = $1 AND kind = 'test'", marker).Scan(&n)
		return n, err
	}
	setup.Delete = func(ctx context.Context, db isolationtest.DB, marker string) error {
		_, err := db.Exec(ctx, "DELETE FROM notes WHERE body = $1", marker)
		return err
	}
	setup.Table, setup.Column = "", ""
	isolationtest.Run(t, setup)
}

func TestASetupThatLacksSomethingIsToldWhat(t *testing.T) {
	t.Parallel()
	full := isolationtest.Setup{Keeper: leaky{}, A: id("a"), B: id("b"), Table: "notes", Column: "body"}
	for want, edit := range map[string]func(*isolationtest.Setup){
		"Setup.Keeper": func(s *isolationtest.Setup) { s.Keeper = nil },
		"Setup.A":      func(s *isolationtest.Setup) { s.B = s.A },
		"Setup.Table":  func(s *isolationtest.Setup) { s.Column = "" },
		"Setup.Insert,": func(s *isolationtest.Setup) {
			s.Delete = func(context.Context, isolationtest.DB, string) error { return nil }
		},
	} {
		s := full
		edit(&s)
		if err := isolationtest.Check(t.Context(), s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
}

func TestATenantThatIsNotServedFails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.schemas(t, true)
	setup := s.setup(t)
	setup.B = id("nobody")
	if err := isolationtest.Check(t.Context(), setup); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("error is %v", err)
	}
}
