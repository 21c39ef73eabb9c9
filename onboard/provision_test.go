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

func TestATenantWithASchemaReadsAndWritesItsOwnTablesOnly(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
		w.provision(w.provisioner(onboard.Config{Migrations: tenantTables(t)}), a, b)
		w.super("CREATE TABLE public.items (name text)", "INSERT INTO public.items VALUES ('public')")
		conn := w.as(a)
		w.exec(conn, "insert into items (name) values ('mine')")
		w.exec(conn, "update items set name = 'my own' where name = 'mine'")
		want := []string{a.Schema + " in " + w.database, "my own"}
		if got := w.strings(conn, "select name from names order by name desc"); !slices.Equal(got, want) {
			t.Errorf("read %q, want %q", got, want)
		}
		for _, sql := range []string{
			"select * from " + b.Schema + ".items", "insert into " + b.Schema + ".items (name) values ('x')",
			"select * from public.items", "create table public.x (id int)", "create temp table x (id int)",
			"create table " + a.Schema + ".x (id int)", "drop table items", "alter table items add x int", "truncate items",
			"create schema x", "create role x", "create database x",
			"set role " + b.Login, "set role postgres", "set role " + a.Schema + "_owner", "set session authorization " + b.Login,
			"alter role " + b.Login + " password 'x'", "alter default privileges for role " + a.Schema + "_owner grant select on tables to public",
			"select * from goose_db_version", "delete from goose_db_version", "select nextval('goose_db_version_id_seq')",
		} {
			w.refused(conn, "42501", sql)
		}
		w.exec(conn, "select pg_advisory_unlock_all()") // Poolkeeper needs it at every release
	})
}

func TestATenantWithADatabaseIsAloneInIt(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a, b := w.tenant("a", registry.IsolationDatabase), w.tenant("b", registry.IsolationDatabase)
		b.Schema = "app"
		w.provision(w.provisioner(onboard.Config{Migrations: tenantTables(t)}), a, b)
		conn := w.as(a)
		if got := w.strings(conn, "select name from items"); !slices.Equal(got, []string{"public in " + a.Database}) {
			t.Errorf("read %q", got)
		}
		if got := w.strings(w.as(b), "select name from items"); !slices.Equal(got, []string{"app in " + b.Database}) {
			t.Errorf("read %q", got)
		}
		for _, sql := range []string{
			"create temp table x (id int)", "create table public.x (id int)", "create schema x",
			"set role " + w.prefix + "a_owner", "drop table items", "select * from goose_db_version",
		} {
			w.refused(conn, "42501", sql)
		}
		if _, err := pgx.Connect(t.Context(), w.dsnOf(a, b.Database)); sqlState(err) != "42501" {
			t.Errorf("the login of one tenant connects to another's database: %v", err)
		}
	})
}

func TestRowsOfOtherTenantsAreNeitherReadNorWritten(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a, b := w.tenant("a", registry.IsolationRow), w.tenant("b", registry.IsolationRow)
		w.provision(w.provisioner(onboard.Config{Shared: sharedTables(t)}), a, b)
		for _, tenant := range []*registry.Tenant{a, b} {
			w.exec(w.as(tenant), "insert into items (tenant_id, name) values (current_setting('app.tenant_id'), current_setting('app.tenant_id'))")
			w.exec(w.as(tenant), "insert into numbered values (current_setting('app.tenant_id'), 7)")
		}
		conn := w.as(a)
		for _, sql := range []string{"select tenant_id from items", "select name from names", "select tenant_id from numbered"} {
			if got := w.strings(conn, sql); !slices.Equal(got, []string{a.ID.String()}) {
				t.Errorf("%s: %q", sql, got)
			}
		}
		if got := w.strings(conn, "select code from countries"); !slices.Equal(got, []string{"pt"}) {
			t.Errorf("a table for all reads %q", got)
		}
		tag, err := conn.Exec(t.Context(), "update items set name = 'x' where tenant_id = $1", b.ID.String())
		if err != nil || tag.RowsAffected() != 0 {
			t.Errorf("another tenant's row was changed: %v, %v", tag, err)
		}
		for _, sql := range []string{
			"insert into items (tenant_id, name) values ('" + b.ID.String() + "', 'x')",
			"update items set tenant_id = '" + b.ID.String() + "'",
			"insert into countries values ('es')", "select * from numbered_low", "select * from counts",
			"alter table items disable row level security", "drop policy poolkeeper_tenant on items", "truncate items",
			"create temp table x (id int)", "set role postgres", "select * from goose_db_version",
			"insert into names values ('x')",
		} {
			w.refused(conn, "42501", sql)
		}
		for _, setting := range []string{"reset app.tenant_id", "set app.tenant_id = ''", "set app.tenant_id = 'nobody'"} {
			w.exec(conn, setting)
			if got := w.strings(conn, "select name from items"); len(got) != 0 {
				t.Errorf("after %s: %q", setting, got)
			}
			w.refused(conn, "42501", "insert into items (tenant_id, name) values ('', 'x')")
		}
		fresh := w.connect(w.dsnOf(a, ""))
		if got := w.strings(fresh, "select name from shared.items"); len(got) != 0 {
			t.Errorf("without a setting: %q", got)
		}
		w.refused(fresh, "42501", "insert into shared.items (tenant_id, name) values ('x', 'x')")
	})
}

func TestASecondRunChangesNothing(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		cfg := onboard.Config{Migrations: tenantTables(t), Shared: sharedTables(t)}
		ddl := w.tenant("ddl", registry.IsolationSchema)
		ddl.DDL = true
		tenants := []*registry.Tenant{
			w.tenant("s", registry.IsolationSchema), w.tenant("d", registry.IsolationDatabase), w.tenant("r", registry.IsolationRow), ddl,
		}
		w.provision(w.provisioner(cfg), tenants...)
		before := w.snapshot(tenants)
		w.provision(w.provisioner(cfg), tenants...)
		if after := w.snapshot(tenants); !slices.Equal(before, after) {
			for i := range before {
				if i >= len(after) || before[i] != after[i] {
					t.Errorf("before: %s\nafter: %s", before[i], after[min(i, len(after)-1)])
				}
			}
		}
	})
}

func TestOneTenantCannotFillWhatAllShare(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a := w.tenant("a", registry.IsolationSchema)
		p := w.provisioner(onboard.Config{})
		w.provision(p, a)
		if strings.HasSuffix(w.admin, w.srv.AdminDSN(w.database)) == (w.log.Len() > 0) {
			t.Errorf("the log says %q", w.log.String())
		}
		if _, statements, ok := strings.Cut(w.log.String(), `statements="`); ok {
			w.super(strings.Split(strings.TrimSuffix(strings.TrimSpace(statements), `"`), "; ")...)
		}
		conn := w.as(a)
		for _, sql := range []string{
			"select pg_advisory_lock(1)", "select pg_try_advisory_lock(1)", "select pg_advisory_xact_lock_shared(1, 2)",
			"select pg_advisory_unlock(1)", "select * from pg_stat_activity", "select * from pg_stat_get_activity(null)",
			"create temp table x (id int)",
			"select lo_create(0)", "select lo_creat(-1)", "select lo_from_bytea(0, 'x')", "select lo_put(1, 0, 'x')",
			"select lowrite(0, 'x')", "select lo_truncate(0, 9)", "select lo_truncate64(0, 9)", "select lo_import('/etc/hosts')",
		} {
			w.refused(conn, "42501", sql)
		}
		w.exec(conn, "select pg_advisory_unlock_all()") // Poolkeeper needs it at every release
		w.log.Reset()
		w.provision(p, a)
		if w.log.Len() > 0 {
			t.Errorf("the log still says %q", w.log.String())
		}
	})
}

// snapshot is what the catalogues say, with the transactions that wrote it.
func (w *world) snapshot(tenants []*registry.Tenant) []string {
	w.t.Helper()
	var all []string
	databases := []string{w.database}
	for _, t := range tenants {
		if t.Database != "" {
			databases = append(databases, t.Database)
		}
	}
	for _, database := range databases {
		conn := w.connect(w.srv.AdminDSN(database))
		for _, query := range []string{
			"select a.xmin::text || a::text from pg_authid a where rolname like $1 || '%' order by oid",
			"select roleid::regrole::text || member::regrole::text from pg_auth_members where member::regrole::text like $1 || '%' order by 1",
			"select s::text from pg_db_role_setting s join pg_roles r on r.oid = setrole where rolname like $1 || '%' order by 1",
			"select d.xmin::text || datname || coalesce(datacl::text, '') from pg_database d where datname like $1 || '%' or datname = current_database() order by 1",
			"select n.xmin::text || n::text from pg_namespace n where n.nspname not like 'pg_temp%' and n.nspname not like 'pg_toast%' and $1 <> '' order by oid",
			"select c.xmin::text || relname || coalesce(relacl::text, '') from pg_class c where relkind in ('r', 'v', 'S') and $1 <> '' and oid > 16383 order by oid",
			"select p.xmin::text || p.polname || polrelid::text from pg_policy p where $1 <> '' order by oid",
			"select a.xmin::text || a::text from pg_default_acl a where $1 <> '' order by oid",
			"select p.xmin::text || proname || coalesce(proacl::text, '') from pg_proc p where (proname like '%advisory%' or proname like 'lo%' or proname = 'pg_stat_get_activity') and $1 <> '' order by oid",
		} {
			all = append(all, w.strings(conn, query, w.prefix)...)
		}
		_ = conn.Close(w.t.Context())
	}
	return all
}

func TestALoginThatMayChangeItsSchemaOwnsItAndItsTables(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
		d := w.tenant("d", registry.IsolationDatabase)
		a.DDL, d.DDL = true, true
		w.provision(w.provisioner(onboard.Config{Migrations: tenantTables(t)}), a, b, d)
		for _, tenant := range []*registry.Tenant{a, d} {
			conn := w.as(tenant)
			w.exec(conn, "alter table items add column price int")
			w.exec(conn, "create table orders (id int)")
			w.refused(conn, "42501", "create temp table x (id int)")
			w.refused(conn, "42501", "create schema x")
		}
		w.refused(w.as(a), "42501", "select * from "+b.Schema+".items")
	})
}

func TestTheAdministratorKeepsNoMembership(t *testing.T) {
	t.Parallel()
	w := newOrdinaryWorld(t)
	a := w.tenant("a", registry.IsolationSchema)
	w.provision(w.provisioner(onboard.Config{Migrations: tenantTables(t)}), a)
	conn := w.connect(w.admin)
	w.refused(conn, "42501", "set role "+a.Schema+"_owner")
	w.refused(conn, "42501", "select * from "+a.Schema+".items")
	a.Password = registry.NewSecret("päss") // fails late
	w.super("ALTER ROLE " + a.Login + " PASSWORD 'other'")
	err := w.provisioner(onboard.Config{}).Provision(t.Context(), a)
	if !errors.Is(err, onboard.ErrPassword) || strings.Contains(err.Error(), "päss") {
		t.Errorf("got %v", err)
	}
	w.refused(conn, "42501", "set role "+a.Schema+"_owner")
}
