package onboard_test

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// withReader gives the record a reader.
func withReader(t *registry.Tenant) *registry.Tenant {
	t.ReadLogin, t.ReadPassword = t.ID.String()+"_reader", registry.NewSecret("reads "+t.ID.String())
	return t
}

// reading is the record that the registry derives of the tenant's reader.
func reading(t *registry.Tenant) *registry.Tenant {
	r := *t
	r.Login, r.Password, r.DDL = t.ReadLogin, t.ReadPassword, false
	return &r
}

// forEachReadable runs the test for every kind of tenant that can have a
// reader, with both administrators; what the database gives everybody is taken
// away as the log asks for it.
func forEachReadable(t *testing.T, test func(t *testing.T, w *world, p *onboard.Provisioner, kind func(*world, string) *registry.Tenant)) {
	t.Helper()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		p := w.provisioner(everything(t))
		for _, name := range []string{"schema", "ddl", "database", "database ddl"} {
			test(t, w, p, func(w *world, suffix string) *registry.Tenant {
				return withReader(kinds[name](w, strings.ReplaceAll(name, " ", "")+suffix))
			})
		}
	})
}

// hardened runs the statements that the log asks a superuser for, in the
// tenant's database.
func (w *world) hardened(t *registry.Tenant) {
	w.t.Helper()
	conn := w.connect(w.srv.AdminDSN(cmp.Or(t.Database, w.database)))
	for line := range strings.SplitSeq(w.log.String(), "\n") {
		_, statements, ok := strings.Cut(line, `statements="`)
		if !ok || !strings.Contains(line, "database="+cmp.Or(t.Database, w.database)+" ") {
			continue
		}
		for sql := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(statements), `"`), "; ") {
			w.exec(conn, sql)
		}
	}
}

func TestAReaderReadsWhatWasThereAndWhatComes(t *testing.T) {
	t.Parallel()
	forEachReadable(t, func(t *testing.T, w *world, p *onboard.Provisioner, kind func(*world, string) *registry.Tenant) {
		a := kind(w, "a")
		record := *a
		record.ReadLogin = ""
		w.provision(p, &record) // as it was before anybody wanted a reader
		w.exec(w.as(a), "insert into items (name) values ('early')")
		if err := p.MakeReader(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		r := w.as(reading(a))
		if got := w.strings(r, "select name from names where name = 'early'"); len(got) != 1 {
			t.Errorf("%s: reads %q", a.ID, got)
		}
		w.strings(r, "select last_value::text from items_number_seq")
		later := folder(t, map[string]string{
			"00001_items.sql": `-- +goose Up
CREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number serial, name text NOT NULL);
CREATE VIEW names AS SELECT name FROM items;
INSERT INTO items (name) VALUES (current_schema() || ' in ' || current_database());
`,
			"00002_later.sql": `-- +goose Up
CREATE TABLE later (id serial);
CREATE MATERIALIZED VIEW all_of_it AS SELECT count(*) FROM later;
CREATE VIEW some_of_it AS SELECT id FROM later;
`,
		})
		cfg := everything(t)
		cfg.Migrations = later
		newer := w.provisioner(cfg)
		if err := newer.Migrate(t.Context(), []*registry.Tenant{a}, onboard.MigrateOptions{}, func(m onboard.Migrated) {
			if m.Err != nil {
				t.Error(m.Err)
			}
		}); err != nil {
			t.Error(err)
		}
		want := []string{"later", "all_of_it", "some_of_it", "later_id_seq"}
		if a.DDL {
			w.exec(w.as(a), "create table mine (id int)")
			want = append(want, "mine")
		}
		for _, table := range want {
			w.exec(r, "select * from "+table)
		}
		w.refused(r, "42501", "select * from goose_db_version")
		w.refused(r, "42501", "select last_value from goose_db_version_id_seq")
	})
}

func TestAReaderNeverSeesTheVersionsEvenWhenTheirTableComesLater(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		for _, kind := range []string{"schema", "ddl"} {
			a := withReader(kinds[kind](w, kind))
			w.provision(w.provisioner(onboard.Config{}), a)
			lost := *a
			lost.ReadLogin = "" // the record forgot it
			if err := w.provisioner(everything(t)).Migrate(t.Context(), []*registry.Tenant{&lost}, onboard.MigrateOptions{},
				func(m onboard.Migrated) {
					if m.Err != nil {
						t.Error(m.Err)
					}
				}); err != nil {
				t.Fatal(err)
			}
			r := w.as(reading(a))
			w.exec(r, "select * from items")
			w.refused(r, "42501", "select * from goose_db_version")
			w.refused(r, "42501", "select last_value from goose_db_version_id_seq")
		}
	})
}

func TestAReaderHasTheSettingsAndTheLimitOfItsTenant(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a := withReader(w.tenant("a", registry.IsolationSchema))
		a.Limits.StatementTimeout, a.Limits.MaxConns = 2*time.Second, 5
		p := w.provisioner(everything(t))
		w.provision(p, a)
		settings := "select array_to_string(setconfig, ' ') from pg_db_role_setting s join pg_roles r on r.oid = setrole where rolname = $1"
		conn := w.connect(w.srv.AdminDSN(w.database))
		if own, read := w.strings(conn, settings, a.Login), w.strings(conn, settings, a.ReadLogin); len(own) != 1 || !slices.Equal(own, read) {
			t.Errorf("the login has %q, the reader %q", own, read)
		}
		if got := w.limitOf(a.ReadLogin); got != "13" {
			t.Errorf("its limit is %s", got)
		}
		a.Limits.MaxConns = 9
		if err := p.LimitConnections(t.Context(), a); err != nil || w.limitOf(a.ReadLogin) != "21" {
			t.Errorf("followed to %s, %v", w.limitOf(a.ReadLogin), err)
		}
		a.ReadLogin += "_not_made_yet"
		if err := p.LimitConnections(t.Context(), a); err != nil {
			t.Errorf("a reader that is not there yet: %v", err)
		}
	})
}

func TestAReadersPasswordIsSetAndSetBack(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a := withReader(w.tenant("a", registry.IsolationSchema))
		p := w.provisioner(everything(t))
		if err := p.MakeReader(t.Context(), a); !errors.Is(err, onboard.ErrConflict) || !contains(err, "provision the tenant") {
			t.Errorf("before the tenant: %v", err)
		}
		if err := p.SetReadPassword(t.Context(), a); !errors.Is(err, onboard.ErrConflict) {
			t.Errorf("before the reader: %v", err)
		}
		w.provision(p, a)
		open := w.as(reading(a))
		old := w.dsnOf(reading(a), "")
		a.ReadPassword = registry.NewSecret("the next one")
		if err := p.SetReadPassword(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		w.exec(open, "select 1")
		if _, err := pgx.Connect(t.Context(), old); sqlState(err) != "28P01" {
			t.Errorf("the old one gives %v", err)
		}
		w.exec(w.as(reading(a)), "alter role "+a.ReadLogin+" password 'changed'")
		w.provision(p, a)
		w.as(reading(a))
		w.as(a) // the tenant's own was never touched
	})
}

func TestWhoCannotHaveAReaderIsRefusedByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.provisioner(everything(t))
	shared := w.tenant("shared", registry.IsolationSchema)
	shared.Login, shared.Password = "", registry.Secret{}
	row := kinds["row with a login"](w, "row")
	foreign := &registry.Tenant{ID: registry.MustParseID(w.prefix + "own"), Cluster: "main", Isolation: registry.IsolationDatabase, DSN: registry.NewSecret(w.admin)}
	none := w.tenant("none", registry.IsolationSchema)
	w.provision(p, shared, row, none)
	before := w.state()
	for text, tenant := range map[string]*registry.Tenant{
		"isolation row": withReader(row), "shared by several": withReader(shared), "connection string of its own": withReader(foreign), "the record names none": none,
	} {
		for _, err := range []error{p.MakeReader(t.Context(), tenant), p.SetReadPassword(t.Context(), tenant)} {
			if !errors.Is(err, registry.ErrNoReader) || !contains(err, text, tenant.ID.String()) {
				t.Errorf("%s: %v", text, err)
			}
		}
		if err := p.Readable(tenant); (tenant == none) != (err == nil) {
			t.Errorf("%s: readable: %v", text, err)
		}
	}
	sameState(t, before, w.state())
	for name, want := range map[string]error{none.Login: onboard.ErrName, "pg_read_all_data": onboard.ErrName, "postgres": onboard.ErrName, shared.ID.String(): nil} {
		c := *none
		c.ReadLogin, c.ReadPassword = name, registry.NewSecret("x")
		if want == nil {
			w.super("CREATE ROLE " + name + " LOGIN")
			want = onboard.ErrConflict
		}
		if err := p.MakeReader(t.Context(), &c); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
