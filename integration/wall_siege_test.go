package integration_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/server"
)

// Who provisions the tenants of a siege.
const (
	superuser = "superuser" // it closes by itself all that can be closed
	ordinary  = "ordinary"  // CREATEROLE CREATEDB, and nobody has run what it asks for
	assisted  = "assisted"  // the same, after a superuser has
)

// administrators are those under whom the walls are attacked. A superuser closes
// more, so in a short run the ordinary one stands for both.
func administrators() []string {
	if testing.Short() {
		return []string{ordinary}
	}
	return []string{superuser, ordinary}
}

// loot is in every row that is not the attacker's. No answer may have it.
const loot = "loot of another tenant"

// siege is a server of tenants that Poolkeeper has provisioned, served over
// HTTP, one of whom attacks. Beside them lie a control database on the same
// server and, in the database of the schemas, somebody's own copy of one.
type siege struct {
	*plane
	administrator string
	url           string
	client        *http.Client
	names         map[string]*control.Record
}

// attackers are the tenants that SQL from clients is taken from, by name.
func attackers() []string { return []string{"schema", "schema-ddl", "database", "database-ddl"} }

// newSiege makes the tenants, each with a row that says whose it is.
func newSiege(t *testing.T, server *pgtest.Server, administrator string) *siege {
	t.Helper()
	s := &siege{administrator: administrator, client: client(t), names: map[string]*control.Record{}}
	login := ""
	t.Cleanup(func() {
		if login != "" {
			admin(t, server, "", "DROP OWNED BY "+login, "DROP ROLE "+login)
		}
	})
	s.plane = newPlaneOn(t, server, func(setup *planeSetup) {
		if administrator == superuser {
			return
		}
		database := databaseOf(t, setup.Admin)
		name := "admin_of_" + database + "_" + administrator
		admin(t, server, database, "CREATE ROLE "+name+" LOGIN CREATEROLE CREATEDB PASSWORD '"+password+"'",
			"ALTER DATABASE "+database+" OWNER TO "+name)
		login, setup.Admin = name, server.DSN(database, name, password)
	})
	s.setup.Admin = server.AdminDSN(s.database) // for what the test does itself
	for _, name := range append(attackers(), "victim", "victim-database", "row") {
		s.names[name] = s.besieged(t, name)
	}
	s.plant(t)
	if administrator == assisted {
		s.assist(t)
	}
	s.url = s.serve(t, nil)
	return s
}

func databaseOf(t *testing.T, dsn string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Database
}

// besieged provisions one tenant; what it is says its name.
func (s *siege) besieged(t *testing.T, name string) *control.Record {
	t.Helper()
	ddl := strings.HasSuffix(name, "-ddl")
	spec := lifecycle.Spec{Tenant: registry.Tenant{ID: s.id(name)}, DDL: &ddl}
	switch {
	case strings.Contains(name, "database"):
		spec.Tenant.Isolation = registry.IsolationDatabase
	case name == "row":
		spec.Tenant.Isolation, spec.Tenant.Schema = registry.IsolationRow, s.prefix+"_shared"
	default:
		spec.Tenant.Isolation = registry.IsolationSchema
	}
	op, err := s.operator.Add(t.Context(), "test", spec)
	s.done(t, op, err)
	return s.record(t, spec.Tenant.ID)
}

// plant puts what is worth stealing where it must not be found.
func (s *siege) plant(t *testing.T) {
	t.Helper()
	victim, alone := s.names["victim"], s.names["victim-database"]
	s.treasure(t, s.database, victim.Schema, s.ownerOf(victim))
	s.treasure(t, alone.Database, "public", s.ownerOf(alone))
	admin(t, s.server, s.database,
		"CREATE SCHEMA IF NOT EXISTS poolkeeper", "CREATE TABLE poolkeeper.tenants (id text, password text)",
		"INSERT INTO poolkeeper.tenants VALUES ('acme', '"+loot+"')",
		"CREATE TABLE public.items (id int, owner text)", "INSERT INTO public.items VALUES (1, '"+loot+"')")
	for _, extension := range []string{"dblink", "file_fdw", "postgres_fdw"} {
		for _, database := range []string{s.database, s.names["database"].Database, s.names["database-ddl"].Database} {
			admin(t, s.server, database, "CREATE SCHEMA IF NOT EXISTS extensions", "GRANT USAGE ON SCHEMA extensions TO PUBLIC",
				"CREATE EXTENSION "+extension+" SCHEMA extensions")
		}
	}
}

// treasure is every kind of thing that a role may own.
func (s *siege) treasure(t *testing.T, database, schema, owner string) {
	t.Helper()
	name := pgx.Identifier{schema}.Sanitize()
	admin(t, s.server, database, "SET ROLE "+owner,
		"INSERT INTO "+name+".items VALUES (2, '"+loot+"')",
		"CREATE VIEW "+name+".shown AS SELECT * FROM "+name+".items",
		"CREATE MATERIALIZED VIEW "+name+".kept AS SELECT * FROM "+name+".items",
		"CREATE SEQUENCE "+name+".counter",
		"CREATE TABLE "+name+".wide (x text)", "ALTER TABLE "+name+".wide ALTER x SET STORAGE EXTERNAL",
		"INSERT INTO "+name+".wide SELECT string_agg('"+loot+"', '') FROM generate_series(1, 1000)",
		"CREATE FUNCTION "+name+".revealed() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT owner FROM "+name+".items WHERE id = 2'",
		"CREATE DOMAIN "+name+".narrow AS text CHECK (VALUE = "+name+".revealed())",
		"CREATE STATISTICS "+name+".together ON id, owner FROM "+name+".items",
		"ANALYZE "+name+".items",
		"RESET ROLE", "SELECT setval('"+name+".counter', 4711)",
		"DO $$ BEGIN EXECUTE format('ALTER LARGE OBJECT %s OWNER TO "+owner+"', lo_from_bytea(0, '"+loot+"')); END $$")
}

func (s *siege) ownerOf(r *control.Record) string {
	if r.DDL {
		return pgx.Identifier{r.Login}.Sanitize()
	}
	return pgx.Identifier{r.ID.String() + "_owner"}.Sanitize()
}

// assist runs what Poolkeeper asked a superuser for in its log.
func (s *siege) assist(t *testing.T) {
	t.Helper()
	for line := range strings.Lines(s.log.String()) {
		_, rest, found := strings.Cut(line, ` statements="`)
		if !found {
			continue
		}
		_, database, _ := strings.Cut(line, " database=")
		database, _, _ = strings.Cut(database, " ")
		statements, _, _ := strings.Cut(rest, `"`+"\n")
		admin(t, s.server, database, strings.Split(strings.ReplaceAll(statements, `\"`, `"`), "; ")...)
	}
	s.log.mu.Lock()
	s.log.text.Reset()
	s.log.mu.Unlock()
	for _, name := range append(attackers(), "victim", "victim-database") {
		op, err := s.operator.Provision(t.Context(), "test", s.id(name))
		s.done(t, op, err)
	}
	if text := s.log.String(); strings.Contains(text, "statements=") {
		t.Errorf("the administrator still asks for something: %s", text)
	}
}

// serve answers for the tenants over HTTP.
func (s *siege) serve(t *testing.T, edit func(*pools.Config)) string {
	t.Helper()
	serving := httptest.NewServer(newServerOf(t, s.poolsFor(t, edit)).Handler())
	t.Cleanup(serving.Close)
	return serving.URL
}

// poolsFor has the tenants' pools until the test ends.
func (s *siege) poolsFor(t *testing.T, edit func(*pools.Config)) *fleet {
	t.Helper()
	return s.keep(t, s.db, func(c *pools.Config) {
		c.MaxConns, c.CancelTimeout = 2, 500*time.Millisecond
		if edit != nil {
			edit(c)
		}
	})
}

// newServerOf is newServer with small limits.
func newServerOf(t *testing.T, f *fleet) *server.Server {
	t.Helper()
	cfg := server.Defaults()
	cfg.SQL.MaxResult = 1 << 20
	s, err := server.New(cfg, server.Deps{Router: newRouter(t, f), Keeper: f.Keeper, Registry: f.registry})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fill puts the names of the siege into a statement: {schema}, {login} and
// {database} are the attacker's, {victim} and what begins with it another's.
func (s *siege) fill(sql, attacker string) string {
	own, victim, alone := s.names[attacker], s.names["victim"], s.names["victim-database"]
	return strings.NewReplacer(
		"{schema}", cmp.Or(own.Schema, "public"), "{login}", own.Login, "{database}", cmp.Or(own.Database, s.database),
		"{victim}", victim.Schema, "{victim.login}", victim.Login, "{victim.owner}", s.ownerOf(victim),
		"{victim.database}", alone.Database, "{victim.alone}", alone.Login, "{control}", s.controlName,
		"{app}", s.prefix+"_app",
	).Replace(sql)
}

// once is a result that the test asks for itself, as the superuser.
func (s *siege) once(t testing.TB, database, query string, args ...any) string {
	t.Helper()
	c, err := pgx.Connect(t.Context(), s.server.AdminDSN(database))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	var text string
	if err := c.QueryRow(t.Context(), query, args...).Scan(&text); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", query, err))
	}
	return text
}
