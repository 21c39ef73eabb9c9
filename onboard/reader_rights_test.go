package onboard_test

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestAReaderChangesNothing(t *testing.T) {
	t.Parallel()
	forEachReadable(t, func(t *testing.T, w *world, p *onboard.Provisioner, kind func(*world, string) *registry.Tenant) {
		a, b := kind(w, "a"), kind(w, "b")
		w.provision(p, a, b)
		w.hardened(a)
		w.exec(w.as(a), "insert into items (name) values ('kept')")
		conn := w.as(reading(a))
		for _, first := range []string{"begin", "begin; set transaction read write", "set default_transaction_read_only = off; begin; set local row_security = off"} {
			for _, sql := range []string{
				"insert into items (name) values ('x')", "update items set name = 'x'", "delete from items", "truncate items",
				"merge into items using (select 1) s on true when matched then delete",
				"insert into names values ('x')", "with x as (delete from items returning 1) select * from x",
				"select * from items for update", "select * from items for share", "lock table items in access exclusive mode",
				"create table x (id int)", "create view x as select 1", "create temp table x (id int)", "create schema x", "select 1 as id into x",
				"create function x() returns int language sql as 'select 1'", "create function pg_temp.x() returns int language sql as 'select 1'",
				"alter table items add column x int", "drop table items", "create index on items (name)", "create trigger x after insert on items execute function x()",
				"comment on table items is 'x'",
				"select nextval('items_number_seq')", "select setval('items_number_seq', 1)", "alter sequence items_number_seq restart",
				"select lo_create(0)", "select lo_creat(-1)", "select lo_from_bytea(0, 'x')", "select lo_import('/etc/hosts')", "select lo_put(1, 0, 'x')",
				"copy items (name) from stdin", "copy items to program 'cat'", "copy items to '/tmp/x'",
				"set role " + a.Login, "set role " + onboard.OwnerName(a.ID.String()), "set role " + b.ReadLogin, "set role postgres",
				"set session authorization " + a.Login, "set session authorization postgres", "alter role " + a.Login + " password 'x'",
				"create role x", "alter role " + a.ReadLogin + " createdb", "alter role " + a.ReadLogin + " connection limit 100",
				"do $$ begin delete from items; end $$", "explain analyze delete from items",
				"refresh materialized view names", "alter system set work_mem = '1GB'", "create extension pg_stat_statements",
				"alter default privileges for role " + a.Login + " grant all on tables to public", "select * from pg_authid", "select pg_advisory_lock(1)",
				"select * from " + cmp.Or(b.Schema, "none") + ".items",
			} {
				w.exec(conn, first)
				if _, err := conn.Exec(t.Context(), sql); err == nil {
					t.Errorf("%s: after %q the reader can %s", a.ID, first, sql)
				} else if state := sqlState(err); !slices.Contains([]string{"42501", "3F000", "42P01", "42883", "42704", "42809", "0A000", "25001", "22023"}, state) {
					t.Errorf("%s: %s: %v", a.ID, sql, err)
				}
				w.exec(conn, "rollback")
			}
		}
		if got := w.strings(w.as(a), "select name from items where name in ('kept', 'x')"); !slices.Equal(got, []string{"kept"}) {
			t.Errorf("%s: the tenant has %q", a.ID, got)
		}
	})
}

func TestARightThatIsMissingIsGivenAndOneTooManyIsTaken(t *testing.T) {
	t.Parallel()
	forEachReadable(t, func(t *testing.T, w *world, p *onboard.Provisioner, kind func(*world, string) *registry.Tenant) {
		a := kind(w, "a")
		w.provision(p, a)
		schema, database := cmp.Or(a.Schema, "public"), cmp.Or(a.Database, w.database)
		maker := w.ownerOf(a)
		want := w.state()
		conn := w.connect(w.srv.AdminDSN(database))
		w.exec(conn, "create function "+schema+".f() returns int language sql as 'select 1'")
		w.exec(conn, "alter function "+schema+".f owner to "+maker)
		large := w.strings(conn, "select lo_create(0)::text")[0]
		w.exec(conn, "alter large object "+large+" owner to "+maker)
		w.exec(conn, "set role "+maker)
		for _, sql := range []string{
			"revoke select on SCHEMA.items from READER", "grant insert, truncate on SCHEMA.items to READER", "grant update (name) on SCHEMA.items to READER",
			"grant select on SCHEMA.names to READER with grant option", "grant usage on sequence SCHEMA.items_number_seq to READER",
			"grant select on SCHEMA.goose_db_version to READER", "grant create on schema SCHEMA to READER", "grant execute on function SCHEMA.f() to READER",
			"alter default privileges in schema SCHEMA grant insert on tables to READER", "alter default privileges in schema SCHEMA revoke select on sequences from READER",
			"alter default privileges grant update on sequences to READER", "alter default privileges grant execute on functions to READER",
			"grant update on large object " + large + " to READER",
		} {
			w.exec(conn, strings.NewReplacer("SCHEMA", schema, "READER", a.ReadLogin).Replace(sql))
		}
		w.exec(conn, "reset role")
		w.exec(conn, "grant create, temporary on database "+database+" to "+a.ReadLogin)
		w.provision(p, a)
		sameState(t, want, w.state())
		for _, more := range []string{
			"select has_function_privilege('READER', 'SCHEMA.f()', 'EXECUTE')::text || (select proacl::text like '%READER%' from pg_proc where oid = 'SCHEMA.f()'::regprocedure)::text",
			"select 'true' || (lomacl::text like '%READER%')::text from pg_largeobject_metadata where oid = " + large,
		} {
			got := w.strings(conn, strings.NewReplacer("SCHEMA", schema, "READER", a.ReadLogin).Replace(more))
			if !slices.Equal(got, []string{"truefalse"}) {
				t.Errorf("%s: %s: %q", a.ID, more, got)
			}
		}
		w.exec(conn, "drop function "+schema+".f()")
		w.exec(conn, "set role "+maker)
		w.strings(conn, "select lo_unlink("+large+")::text")
		before := w.snapshot([]*registry.Tenant{a})
		w.provision(p, a)
		if err := p.MakeReader(t.Context(), a); err != nil {
			t.Error(err)
		}
		if after := w.snapshot([]*registry.Tenant{a}); !slices.Equal(before, after) {
			t.Errorf("%s: doing it again changes something", a.ID)
		}
	})
}

func TestAReaderThatCanDoMoreIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := withReader(w.tenant("a", registry.IsolationSchema))
	p := w.provisioner(everything(t))
	w.provision(p, a)
	giver := w.prefix + "giver"
	for _, c := range []struct{ power, undo string }{
		{"ALTER ROLE READER CREATEDB", "ALTER ROLE READER NOCREATEDB"},
		{"GRANT " + a.Login + " TO READER", "REVOKE " + a.Login + " FROM READER"},
		{
			"CREATE ROLE " + giver + "; GRANT USAGE ON SCHEMA " + a.Schema + " TO " + giver + "; GRANT INSERT ON " + a.Schema + ".items TO " + giver +
				" WITH GRANT OPTION; SET ROLE " + giver + "; GRANT INSERT ON " + a.Schema + ".items TO READER; RESET ROLE",
			"DROP OWNED BY " + giver + " CASCADE",
		},
	} {
		w.super(strings.ReplaceAll(c.power, "READER", a.ReadLogin))
		if err := p.Provision(t.Context(), a); !errors.Is(err, onboard.ErrPower) || !contains(err, a.ReadLogin) {
			t.Errorf("%s: %v", c.power, err)
		}
		w.super(strings.ReplaceAll(c.undo, "READER", a.ReadLogin))
	}
	w.provision(p, a)
}
