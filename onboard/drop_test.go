package onboard_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestADroppedTenantLeavesNothingAndOthersAsTheyAre(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		p := w.provisioner(everything(t))
		for name, kind := range kinds {
			name = strings.ReplaceAll(name, " ", "")
			w.provision(p, kind(w, name+"stays"))
			before := w.state()
			gone := kind(w, name+"goes")
			w.provision(p, gone)
			conn := w.as(gone)
			for range 2 {
				if err := p.Drop(t.Context(), gone); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			sameState(t, before, w.state())
			if _, err := conn.Exec(t.Context(), "select 1"); (err == nil) != (gone.Login == "") {
				t.Errorf("%s: its session says %v", name, err)
			}
		}
	})
}

func TestADropTakesWhatOthersMadeInTheSchema(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		p := w.provisioner(everything(t))
		for _, ddl := range []bool{false, true} {
			a := w.tenant("a", registry.IsolationSchema)
			a.DDL = ddl
			before := w.state()
			w.provision(p, a)
			w.super("CREATE TABLE "+a.Schema+".theirs (id int)", "CREATE FUNCTION "+a.Schema+".f() RETURNS int LANGUAGE sql AS 'select 1'",
				"CREATE SCHEMA other", "CREATE TABLE other.own (id int)", "ALTER SCHEMA other OWNER TO "+a.Login, "ALTER TABLE other.own OWNER TO "+a.Login)
			if err := p.Drop(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			after := slices.DeleteFunc(w.state(), func(line string) bool { return strings.Contains(line, "database") })
			sameState(t, slices.DeleteFunc(before, func(line string) bool { return strings.Contains(line, "database") }), after)
		}
	})
}

// cyclic are shared tables whose foreign keys point at each other, one with a
// trigger that writes a row, one whose tenant_id cannot hold every id.
func cyclic(t *testing.T) string {
	t.Helper()
	return folder(t, map[string]string{"1_x.sql": `-- +goose Up
CREATE TABLE a (tenant_id varchar(63) NOT NULL, id int PRIMARY KEY, b int);
CREATE TABLE b (tenant_id text NOT NULL, id int PRIMARY KEY, a int NOT NULL REFERENCES a ON DELETE RESTRICT);
ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b;
CREATE TABLE removals (tenant_id text NOT NULL, what text);
CREATE TABLE ids (tenant_id uuid NOT NULL);
CREATE TABLE ours (tenant_id text NOT NULL);
CREATE POLICY everything ON ours USING (true);
-- +goose StatementBegin
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO removals VALUES (old.tenant_id, 'a'); RETURN old; END $$;
-- +goose StatementEnd
CREATE TRIGGER noted AFTER DELETE ON a FOR EACH ROW EXECUTE FUNCTION noted();
`})
}

func TestADropDeletesTheRowsOfTheTenantAlone(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		p := w.provisioner(onboard.Config{Shared: cyclic(t)})
		gone, stays := w.tenant("gone", registry.IsolationRow), w.tenant("stays", registry.IsolationRow)
		w.provision(p, gone, stays)
		for i, tenant := range []*registry.Tenant{gone, stays} {
			conn, id := w.as(tenant), 10*i
			w.exec(conn, "insert into a values ($1, $2, null)", tenant.ID.String(), id)
			w.exec(conn, "insert into b values ($1, $2, $2)", tenant.ID.String(), id)
			w.exec(conn, "update a set b = $1", id)
			w.exec(conn, "insert into ours values ($1)", tenant.ID.String())
		}
		if err := p.Drop(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		conn := w.connect(w.srv.AdminDSN(w.database))
		for _, table := range []string{"a", "b", "ours"} {
			if got := w.strings(conn, "select tenant_id from shared."+table); !slices.Equal(got, []string{stays.ID.String()}) {
				t.Errorf("%s has rows of %q", table, got)
			}
		}
		if got := w.strings(conn, "select tenant_id from shared.removals"); len(got) != 0 {
			t.Errorf("what the trigger wrote stays: %q", got)
		}
	})
}

func TestRowsThatCannotGoAreReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.tenant("a", registry.IsolationRow)
	p := w.provisioner(onboard.Config{Shared: folder(t, map[string]string{"1_x.sql": `-- +goose Up
CREATE TABLE orders (tenant_id text NOT NULL, id int PRIMARY KEY);
CREATE TABLE lines (orders int REFERENCES orders);
CREATE TABLE endless (tenant_id text NOT NULL);
-- +goose StatementBegin
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO endless VALUES (old.tenant_id); RETURN old; END $$;
-- +goose StatementEnd
CREATE TRIGGER again AFTER DELETE ON endless FOR EACH ROW EXECUTE FUNCTION again();
`})})
	w.provision(p, a)
	conn := w.as(a)
	w.exec(conn, "insert into orders values ($1, 1)", a.ID.String())
	w.super("INSERT INTO shared.lines VALUES (1)")
	if err := p.Drop(t.Context(), a); sqlState(err) != "23503" && sqlState(err) != "23001" {
		t.Errorf("a row that another refers to: %v", err)
	}
	w.super("TRUNCATE shared.lines")
	w.exec(conn, "insert into endless values ($1)", a.ID.String())
	if err := p.Drop(t.Context(), a); err == nil || !contains(err, "rows keep coming") {
		t.Errorf("a row that comes back: %v", err)
	}
	w.super("CREATE TABLE shared.byhand (tenant_id text)")
	if err := p.Drop(t.Context(), a); !errors.Is(err, onboard.ErrConflict) || !contains(err, "shared.byhand", "postgres") {
		t.Errorf("a table of somebody else: %v", err)
	}
}

func TestADropRefusesWhatIsNotTheTenants(t *testing.T) {
	t.Parallel()
	// NAME stands for the tenant's id and names.
	for name, c := range map[string]struct {
		kind string
		sql  []string
		text string
	}{
		"schema":         {"schema", []string{"ALTER SCHEMA NAME OWNER TO postgres"}, "belongs to postgres"},
		"ddl's schema":   {"ddl", []string{"ALTER SCHEMA NAME OWNER TO postgres"}, "belongs to postgres"},
		"shared schema":  {"row with a login", []string{"ALTER SCHEMA shared OWNER TO postgres"}, "belongs to postgres"},
		"database":       {"database", []string{"ALTER DATABASE NAME OWNER TO postgres"}, "belongs to postgres"},
		"login":          {"schema", []string{"COMMENT ON ROLE NAME IS NULL"}, "was not made by Poolkeeper"},
		"owner":          {"schema", []string{"COMMENT ON ROLE NAME_owner IS 'poolkeeper: owner of tenant b in database gone'"}, "is the owner of tenant b"},
		"login in use":   {"schema", []string{"CREATE SCHEMA elsewhere", "GRANT USAGE ON SCHEMA elsewhere TO NAME"}, ""},
		"other database": {"schema", []string{"GRANT CONNECT ON DATABASE postgres TO NAME"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := kinds[c.kind](w, "a")
			p := w.provisioner(everything(t))
			w.provision(p, a)
			for _, sql := range c.sql {
				w.super(strings.ReplaceAll(sql, "NAME", a.ID.String()))
			}
			before := w.state()
			err := p.Drop(t.Context(), a)
			if c.text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, onboard.ErrConflict) || !contains(err, c.text) {
				t.Errorf("got %v", err)
			}
			sameState(t, before, w.state())
		})
	}
}

func TestARoleThatOwnsMoreElsewhereIsReportedAndStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.tenant("a", registry.IsolationSchema)
	p := w.provisioner(everything(t))
	w.provision(p, a)
	elsewhere := w.connect(w.srv.AdminDSN(w.srv.Database(t)))
	w.exec(elsewhere, "create schema theirs authorization "+a.Login)
	if err := p.Drop(t.Context(), a); !errors.Is(err, onboard.ErrInWay) || !contains(err, "1 object in database") {
		t.Errorf("got %v", err)
	}
	if _, err := pgx.Connect(t.Context(), w.dsnOf(a, "")); err == nil {
		t.Error("the login still gets in")
	}
	w.exec(elsewhere, "drop schema theirs")
	if err := p.Drop(t.Context(), a); err != nil {
		t.Error(err)
	}
}

func TestATenantWithAConnectionStringOfItsOwnIsNotTouched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.super("CREATE ROLE "+w.prefix+"own LOGIN PASSWORD 'own'", "CREATE SCHEMA theirs AUTHORIZATION "+w.prefix+"own")
	p := w.provisioner(everything(t))
	own := &registry.Tenant{
		ID: registry.MustParseID(w.prefix + "own"), Cluster: "main", Isolation: registry.IsolationDatabase, Schema: "theirs",
		DSN: registry.NewSecret(w.srv.DSN(w.database, w.prefix+"own", "own")), NextPassword: registry.NewSecret("x"),
	}
	before := w.state()
	for name, err := range map[string]error{"drop": p.Drop(t.Context(), own), "password": p.SetPassword(t.Context(), own)} {
		if !errors.Is(err, onboard.ErrForeign) || !contains(err, "dsn") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := p.LimitConnections(t.Context(), own); err != nil {
		t.Errorf("limit: %v", err)
	}
	sameState(t, before, w.state())
}

func TestATenantWhoseDatabaseIsGoneIsDropped(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		before := w.state()
		p := w.provisioner(everything(t))
		a := w.tenant("a", registry.IsolationDatabase)
		w.provision(p, a)
		w.super("DROP DATABASE " + a.Database + " WITH (FORCE)")
		if err := p.Drop(t.Context(), a); err != nil {
			t.Error(err)
		}
		sameState(t, slices.DeleteFunc(before, isDatabase), slices.DeleteFunc(w.state(), isDatabase))
	})
}

// isDatabase is for tests that do not care whether the world's database has
// been hardened.
func isDatabase(line string) bool { return strings.HasPrefix(line, "(database") }
