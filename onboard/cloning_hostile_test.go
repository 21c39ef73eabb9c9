package onboard_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// traps are what a tenant that owns its schema can leave for whoever reads it:
// each calls a function that tries to act with the caller's rights, and leaves
// a row in a table that everybody may write when it could.
func (w *world) traps(t *registry.Tenant) {
	w.t.Helper()
	w.super("CREATE TABLE IF NOT EXISTS public.caught (who text)", "GRANT ALL ON public.caught TO PUBLIC", "GRANT USAGE ON SCHEMA public TO PUBLIC")
	conn := w.as(t)
	for _, sql := range []string{
		`create function trap() returns boolean language plpgsql as $$ begin
			if session_user <> '` + t.Login + `' then raise exception 'caught %', session_user; end if;
			begin
				perform set_config('role', 'none', false);
				execute 'alter role ` + t.Login + ` createrole';
				insert into public.caught values ('altered by ' || session_user);
			exception when others then null;
			end;
			return true; end $$`,
		"create function trap_trigger() returns trigger language plpgsql as $$ begin perform trap(); return new; end $$",
		// Better matches than PostgreSQL's own for what catalogues are asked with.
		"create function glue(name, name) returns text language plpgsql as $$ begin perform trap(); return $1::text operator(pg_catalog.||) $2::text; end $$",
		"create operator || (leftarg = name, rightarg = name, procedure = glue)",
		"create function eq(oid, int) returns boolean language plpgsql as $$ begin perform trap(); return $1 operator(pg_catalog.=) $2::oid; end $$",
		"create operator = (leftarg = oid, rightarg = int, procedure = eq)",
		"create function concat_ws(text, regtype, regtype) returns text language plpgsql as $$ begin perform trap(); return 'x'; end $$",
		"create table bait (id int default (trap()::int), checked int check (trap()))",
		"insert into bait values (1, 1)",
		"create trigger t after insert on bait execute function trap_trigger()",
		"create view view_bait as select trap() as t",
		"create materialized view mat_bait as select trap() as t",
		"create policy p on bait using (trap())",
		"create rule r as on insert to bait do also select trap()",
		"create index on bait ((checked + 1)) where checked > 0",
		"alter table bait enable row level security", "alter table bait force row level security",
	} {
		w.exec(conn, sql)
	}
	w.exec(conn, "alter role "+t.Login+" set search_path = "+t.Schema+", pg_catalog")
}

// caught checks that no trap has caught anybody with more rights.
func (w *world) caught(t *registry.Tenant) {
	w.t.Helper()
	conn := w.connect(w.srv.AdminDSN(w.database))
	if got := w.strings(conn, "select who from public.caught"); len(got) > 0 {
		w.t.Errorf("caught: %q", got)
	}
	if got := w.strings(conn, "select rolname::text from pg_roles where rolname = $1 and (rolcreaterole or rolsuper)", t.Login); len(got) > 0 {
		w.t.Error("the tenant has got a power")
	}
}

func TestTrapsCatchNobodyWhoClonesOrExports(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
		a.DDL, b.DDL = true, true
		p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
		w.provision(p, a)
		w.traps(a)
		for _, data := range []bool{true, false} {
			if err := p.Clone(t.Context(), a, b, data); !errors.Is(err, onboard.ErrClone) || !contains(err, "table bait,", "function trap(),") {
				t.Errorf("data %t: %v", data, err)
			}
			w.caught(a)
		}
		_, _ = p.Export(t.Context(), a, writerFunc(func(b []byte) (int, error) { return len(b), nil })) // forced policies may keep it from being read
		w.caught(a)
		w.exec(w.as(a), "alter table bait no force row level security")
		if dump, ok := w.export(p, a); ok && len(dump) == 0 {
			t.Error("nothing was exported")
		}
		w.caught(a)
	})
}

func TestTrapsInADatabaseCatchNobodyWhoClonesIt(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a, b := w.tenant("a", registry.IsolationDatabase), w.tenant("b", registry.IsolationDatabase)
		a.DDL, b.DDL = true, true
		a.Schema, b.Schema = "app", "app"
		p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
		w.provision(p, a)
		inside := *w
		inside.database = a.Database
		inside.traps(a)
		w.exec(w.as(a), "alter table bait no force row level security")
		if err := p.Clone(t.Context(), a, b, true); err != nil {
			t.Fatal(err)
		}
		inside.caught(a)
		inside.database = b.Database
		inside.caught(a)
		inside.caught(b)
		w.exec(w.as(b), "drop table bait cascade")
		if got := w.strings(w.as(b), "select name from items"); !slices.Equal(got, []string{"app in " + a.Database}) {
			t.Errorf("read %q", got)
		}
		if dump, ok := w.export(p, a); ok && len(dump) == 0 {
			t.Error("nothing was exported")
		}
		inside.database = a.Database
		inside.caught(a)
	})
}

func TestWhoOwnsASchemaExportsItAsItself(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		s, d := w.tenant("s", registry.IsolationSchema), w.tenant("d", registry.IsolationDatabase)
		s.DDL, d.DDL = true, true
		p := w.provisioner(onboard.Config{PgDump: program(t, `if [ "$1" = --version ]; then echo "pg_dump (PostgreSQL) 99.1"; else echo "$@" $PGUSER in $PGDATABASE; fi`)})
		w.provision(p, s, d)
		for tenant, database := range map[*registry.Tenant]string{s: w.database, d: d.Database} {
			var buf bytes.Buffer
			if _, err := p.Export(t.Context(), tenant, &buf); err != nil {
				t.Fatal(err)
			}
			if got := buf.String(); !strings.HasSuffix(got, " "+tenant.Login+" in "+database+"\n") || strings.Contains(got, "--role") {
				t.Errorf("pg_dump was started with %s", got)
			}
		}
	})
}
