package onboard_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// shopTables is a set with everything whose rows are hard to copy: keys in the
// wrong alphabetical order, to the table itself and in a circle, triggers,
// generated and identity columns, partitions, types of its own, views.
func shopTables(t *testing.T) string {
	t.Helper()
	return folder(t, map[string]string{"00001_shop.sql": `-- +goose Up
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TYPE pair AS (a mood, b int);
CREATE DOMAIN price AS numeric CHECK (VALUE >= 0);
CREATE TABLE z_customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, moods mood[], two pair);
CREATE TABLE a_orders (id serial PRIMARY KEY, customer bigint NOT NULL REFERENCES z_customers, total price, parent int REFERENCES a_orders,
	double numeric GENERATED ALWAYS AS (total * 2) STORED, at timestamptz DEFAULT 'epoch', raw bytea, doc jsonb);
CREATE INDEX by_total ON a_orders (total) WHERE total > 1;
CREATE TABLE left_side (id int PRIMARY KEY, other int);
CREATE TABLE right_side (id int PRIMARY KEY, other int REFERENCES left_side DEFERRABLE);
ALTER TABLE left_side ADD CONSTRAINT circle FOREIGN KEY (other) REFERENCES right_side DEFERRABLE;
CREATE TABLE numbered (n int PRIMARY KEY, up int REFERENCES numbered) PARTITION BY RANGE (n);
CREATE TABLE numbered_high PARTITION OF numbered FOR VALUES FROM (100) TO (200);
CREATE TABLE numbered_low PARTITION OF numbered FOR VALUES FROM (0) TO (100);
CREATE TABLE log (line text);
CREATE TABLE pointers (what regclass, n int);
CREATE TABLE settings (key text PRIMARY KEY, value text);
INSERT INTO settings VALUES ('seed', 'made by a migration'), ('gone', 'removed by the tenant');
CREATE VIEW names AS SELECT name FROM z_customers;
CREATE MATERIALIZED VIEW totals AS SELECT sum(total) AS total FROM a_orders;
CREATE MATERIALIZED VIEW twice AS SELECT total * 2 AS total FROM totals;
-- +goose StatementBegin
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (TG_TABLE_NAME || ' ' || TG_OP); RETURN NEW; END $$;
-- +goose StatementEnd
CREATE TRIGGER noted AFTER INSERT ON z_customers FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER sleeping BEFORE INSERT ON z_customers FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE z_customers DISABLE TRIGGER sleeping;
CREATE TRIGGER always AFTER INSERT ON numbered FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE numbered ENABLE ALWAYS TRIGGER always;
-- +goose Down
DROP TABLE log;
`})
}

// fillShop is what a tenant may have done with them.
func (w *world) fillShop(t *registry.Tenant) {
	w.t.Helper()
	conn := w.as(t)
	for _, sql := range []string{
		"insert into z_customers (name, moods, two) values ('ann', '{good,bad}', '(bad,7)'), (E'tab\\t\\\\n', '{}', null)",
		"insert into a_orders (customer, total, parent, raw, doc) values (2, 5.50, 2, '\\x00ff', '{\"a\": null}'), (1, 0, null, '', 'null')",
		"begin", "set constraints all deferred",
		"insert into left_side values (1, 1)", "insert into right_side values (1, 1)", "commit",
		"insert into numbered values (150, null), (7, 150), (151, 7)",
		"insert into pointers values ('log', 1)",
		"delete from settings where key = 'gone'", "update settings set value = 'changed' where key = 'seed'",
		"select nextval('a_orders_id_seq') from generate_series(1, 10)",
	} {
		w.exec(conn, sql)
	}
	w.super("SET ROLE "+w.ownerOf(t), "REFRESH MATERIALIZED VIEW "+t.Schema+".totals", "REFRESH MATERIALIZED VIEW "+t.Schema+".twice")
}

func (w *world) ownerOf(t *registry.Tenant) string {
	if t.DDL {
		return t.Login
	}
	return onboard.OwnerName(t.ID.String())
}

// shop reads all of it, as the tenant.
func (w *world) shop(t *registry.Tenant) []string {
	w.t.Helper()
	conn := w.as(t)
	var all []string
	for _, sql := range []string{
		"select c::text from z_customers c order by id", "select o::text from a_orders o order by id", "select l::text from left_side l", "select r::text from right_side r",
		"select tableoid::regclass::text || n::text from numbered n order by n", "select line from log order by 1", "select what::text from pointers", "select s::text from settings s order by 1",
		"select name from names order by 1", "select coalesce(total, -1)::text from totals", "select coalesce(total, -1)::text from twice", "select last_value || ' ' || is_called from a_orders_id_seq",
		"select last_value || ' ' || is_called from z_customers_id_seq", "select c.relname || tgname || tgenabled::text from pg_trigger t join pg_class c on c.oid = tgrelid " +
			"where relnamespace = current_schema()::regnamespace and not tgisinternal order by 1",
	} {
		all = append(all, w.strings(conn, sql)...)
	}
	return all
}

func TestACloneOfASchemaHasTheSameRows(t *testing.T) {
	t.Parallel()
	for _, ddl := range []bool{false, true} {
		t.Run(map[bool]string{false: "owner", true: "ddl"}[ddl], func(t *testing.T) {
			t.Parallel()
			forEachAdministrator(t, func(t *testing.T, w *world) {
				a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
				a.DDL, b.DDL = ddl, ddl
				p := w.provisioner(onboard.Config{Migrations: shopTables(t)})
				w.provision(p, a)
				w.fillShop(a)
				if err := p.Clone(t.Context(), a, b, true); err != nil {
					t.Fatal(err)
				}
				is, want := w.shop(b), w.shop(a)
				if !slices.Equal(is, want) {
					t.Errorf("the copy is\n%s\nwant\n%s", strings.Join(is, "\n"), strings.Join(want, "\n"))
				}
				if len(want) < 20 {
					t.Errorf("the shop has only %q", want)
				}
				w.exec(w.as(b), "insert into z_customers (name) values ('of b')") // the sequence goes on
				if !slices.Equal(w.shop(a), want) {
					t.Error("a row of the copy is in the source")
				}
				if err := p.Clone(t.Context(), a, b, true); err != nil {
					t.Errorf("again: %v", err)
				}
				if got := w.strings(w.as(b), "select name from names order by 1"); !slices.Contains(got, "of b") {
					t.Errorf("a second call has replaced rows: %q", got)
				}
				if ddl {
					return
				}
				w.refused(w.as(b), "42501", "create table x (id int)")
				w.refused(w.as(a), "42501", "select * from "+b.Schema+".log")
			})
		})
	}
}

func TestACloneWithoutDataIsWhatTheMigrationsMake(t *testing.T) {
	t.Parallel()
	w := newOrdinaryWorld(t)
	a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
	p := w.provisioner(onboard.Config{Migrations: shopTables(t)})
	w.provision(p, a)
	w.fillShop(a)
	if err := p.Clone(t.Context(), a, b, false); err != nil {
		t.Fatal(err)
	}
	if got := w.strings(w.as(b), "select key from settings union all select name from z_customers order by 1"); !slices.Equal(got, []string{"gone", "seed"}) {
		t.Errorf("read %q", got)
	}
}

func TestWhatNoMigrationMadeIsRefusedByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
	a.DDL, b.DDL = true, true
	p := w.provisioner(onboard.Config{Migrations: shopTables(t)})
	w.provision(p, a)
	conn := w.as(a)
	for _, sql := range []string{
		"create table own_table (id int)", "create view own_view as select 1", "create materialized view own_matview as select 1", "create sequence own_sequence",
		"create index own_index on log (line)", "alter table log add column own_column int default 3", "alter table settings add constraint own_check check (key <> '')",
		"create function own_function(int) returns int language sql as 'select 1'", "create trigger own_trigger after insert on log execute function note()",
		"create type own_type as enum ('x')", "create type own_composite as (a int)", "create domain own_domain as int", "create policy own_policy on log using (true)",
		"create rule own_rule as on insert to settings do also select 1", "create statistics own_statistics on id, customer from a_orders",
		"alter table z_customers alter column name drop not null", "alter table a_orders alter column at set default 'now'", "alter type mood add value 'own_label'",
		"create or replace view names as select name || '' as name from z_customers", "alter table log enable row level security",
		"drop index by_total", "alter sequence a_orders_id_seq increment 2",
		"create or replace function note() returns trigger language plpgsql as 'begin return new; end'",
	} {
		w.exec(conn, sql)
	}
	err := p.Clone(t.Context(), a, b, true)
	if !errors.Is(err, onboard.ErrClone) {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{
		"table own_table,", "view own_view,", "materialized view own_matview,", "sequence own_sequence,", "index own_index of log,", "column own_column of log,",
		"constraint own_check of settings,", "function own_function(integer),", "trigger own_trigger of log,", "type own_type,", "type own_composite,", "domain own_domain,",
		"policy own_policy of log,", "rule own_rule of settings,", "statistics own_statistics,", "column name of z_customers (defined differently)",
		"column at of a_orders (defined differently)", "type mood (defined differently)", "view names (defined differently)", "table log (defined differently)",
		"index by_total of a_orders (missing there)", "sequence a_orders_id_seq (defined differently)", "function note() (defined differently)",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %v", part, err)
		}
	}
	if strings.Contains(err.Error(), "of own_table") || strings.Contains(err.Error(), "of own_composite") {
		t.Errorf("what hangs on a missing table is named as well: %v", err)
	}
}

func TestACloneThatFailsLeavesAnEmptyTenantAndCanBeRunAgain(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
		p := w.provisioner(onboard.Config{Migrations: shopTables(t)})
		w.provision(p, a)
		w.fillShop(a)
		w.super("ALTER TABLE "+a.Schema+".settings DISABLE TRIGGER ALL", "SET session_replication_role = replica",
			"UPDATE "+a.Schema+".a_orders SET customer = 99") // no such customer
		if err := p.Clone(t.Context(), a, b, true); sqlState(err) != "23503" || !contains(err, "table a_orders") {
			t.Fatalf("got %v", err)
		}
		if got := w.strings(w.as(b), "select name from z_customers union all select key from settings order by 1"); !slices.Equal(got, []string{"gone", "seed"}) {
			t.Errorf("after the failure: %q", got)
		}
		w.super("SET session_replication_role = replica", "UPDATE "+a.Schema+".a_orders SET customer = 1")
		if err := p.Clone(t.Context(), a, b, true); err != nil {
			t.Fatal(err)
		}
		if got, want := w.shop(b), w.shop(a); !slices.Equal(got, want) {
			t.Errorf("the copy is %q, want %q", got, want)
		}
	})
}

func TestRowsOfATenantThatIsThereAreNotReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
	p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
	w.provision(p, a, b)
	w.exec(w.as(b), "insert into items (name) values ('precious')")
	if err := p.Clone(t.Context(), a, b, true); !errors.Is(err, onboard.ErrConflict) || !contains(err, b.Schema) {
		t.Errorf("got %v", err)
	}
	if got := w.strings(w.as(b), "select name from items where name = 'precious'"); len(got) != 1 {
		t.Error("the row is gone")
	}
}

func TestASourceThatIsBehindHasToBeMigratedFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
	w.provision(w.provisioner(onboard.Config{Migrations: tenantTables(t)}), a)
	newer := folder(t, map[string]string{
		"00001_items.sql": "-- +goose Up\nCREATE TABLE items (id bigint);\n", "00002_more.sql": "-- +goose Up\nCREATE TABLE more (id int);\n",
	})
	err := w.provisioner(onboard.Config{Migrations: newer}).Clone(t.Context(), a, b, true)
	if !errors.Is(err, onboard.ErrClone) || !contains(err, "at version 1 of the migrations and the newest is 2", "migrate "+a.ID.String()+" first") {
		t.Errorf("got %v", err)
	}
	if got := w.strings(w.connect(w.admin), "select rolname::text from pg_roles where rolname = $1", b.Login); len(got) > 0 {
		t.Errorf("something was made: %q", got)
	}
}

func TestACycleOfForeignKeysIsRefusedByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
	p := w.provisioner(onboard.Config{Migrations: folder(t, map[string]string{"00001_circle.sql": `-- +goose Up
CREATE TABLE hen (id int PRIMARY KEY, egg int);
CREATE TABLE egg (id int PRIMARY KEY, hen int CONSTRAINT laid_by REFERENCES hen);
ALTER TABLE hen ADD CONSTRAINT came_from FOREIGN KEY (egg) REFERENCES egg;
CREATE TABLE nest (id int, egg int CONSTRAINT holds REFERENCES egg);
`})})
	w.provision(p, a)
	err := p.Clone(t.Context(), a, b, true)
	if !errors.Is(err, onboard.ErrClone) || !contains(err, "came_from (hen needs egg)", "laid_by (egg needs hen)") || contains(err, "holds") {
		t.Errorf("got %v", err)
	}
}

func TestPlacesThatDoNotGoTogetherAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.provisioner(onboard.Config{})
	s, d, ddl := w.tenant("s", registry.IsolationSchema), w.tenant("d", registry.IsolationDatabase), w.tenant("x", registry.IsolationSchema)
	ddl.DDL = true
	foreign := w.tenant("f", registry.IsolationSchema)
	foreign.DSN, foreign.Login, foreign.Password = registry.NewSecret(w.admin), "", registry.Secret{}
	for _, c := range []struct {
		from, to *registry.Tenant
		says     string
	}{
		{s, d, "isolation schema and the target database"},
		{s, ddl, "ddl"},
		{foreign, s, "connection string of its own"},
		{s, foreign, "connection string of its own"},
		{s, s, "same place"},
	} {
		if err := p.Clone(t.Context(), c.from, c.to, true); !errors.Is(err, onboard.ErrClone) || !contains(err, c.says) {
			t.Errorf("%s to %s: %v", c.from.ID, c.to.ID, err)
		}
	}
}
