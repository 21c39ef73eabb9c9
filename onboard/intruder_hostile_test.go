package onboard_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// soon is far more than the work takes, and far less than a tenant that holds
// it up could make it take.
const soon = 20 * time.Second

func (w *world) soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	t.Cleanup(cancel)
	return ctx
}

func TestATenantWithOurLockHoldsUpNobody(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
		a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
		w.provision(p, a, b)
		// As where no superuser has closed it yet, or where the administrator's
		// own database is one in which no tenant lives.
		w.super("GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint), pg_advisory_lock_shared(bigint) TO PUBLIC")
		for _, lock := range []string{"pg_advisory_lock", "pg_advisory_lock_shared"} {
			for name, do := range map[string]func(context.Context) error{
				"password":  func(ctx context.Context) error { return p.SetPassword(ctx, b) },
				"provision": func(ctx context.Context) error { return p.Provision(ctx, b) },
			} {
				if !w.ordinary { // hardening took it away again
					w.super("GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint), pg_advisory_lock_shared(bigint) TO PUBLIC")
				}
				thief := w.as(a)
				w.exec(thief, "select "+lock+"(hashtextextended($1, 0))", "poolkeeper onboard "+w.database+"."+b.Schema)
				if err := do(w.soon(t)); err != nil {
					t.Errorf("%s, with a stolen %s: %v", name, lock, err)
				}
				_ = thief.Close(t.Context())
			}
		}
		w.memberOfNobody()
	})
}

// memberOfNobody checks that the administrator has left every role.
func (w *world) memberOfNobody() {
	w.t.Helper()
	const query = `select g.rolname::text from pg_auth_members m join pg_roles g on g.oid = m.roleid join pg_roles r on r.oid = m.member
		where r.rolname = $1 and m.grantor = m.member`
	if got := w.strings(w.connect(w.srv.AdminDSN(w.database)), query, w.prefix+"_provisioner"); len(got) > 0 {
		w.t.Errorf("the administrator is still a member of %q", got)
	}
}

func TestATenantInTheTemplateOfDatabasesKeepsNobodyFromOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.provisioner(onboard.Config{})
	a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationDatabase)
	w.provision(p, a)
	w.refusedToConnect(w.dsnOf(a, "template1"))
	w.super("GRANT CONNECT ON DATABASE template1 TO " + a.Login) // as it was before
	inTemplate := w.connect(w.dsnOf(a, "template1"))
	w.super("REVOKE CONNECT ON DATABASE template1 FROM " + a.Login)
	if err := p.Provision(w.soon(t), b); err != nil {
		t.Error(err)
	}
	if _, err := inTemplate.Exec(t.Context(), "select"); err == nil {
		t.Error("the tenant is still connected to template1")
	}
}

func (w *world) refusedToConnect(dsn string) {
	w.t.Helper()
	if conn, err := pgx.Connect(w.t.Context(), dsn); sqlState(err) != "42501" {
		w.t.Errorf("connecting: %v", err)
		if err == nil {
			_ = conn.Close(w.t.Context())
		}
	}
}

func TestLargeObjectsElsewhereDoNotKeepATenantThere(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		p := w.provisioner(onboard.Config{})
		a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
		w.provision(p, a, b)
		other := w.srv.Database(t)
		for _, x := range []*registry.Tenant{a, b} {
			conn := w.connect(w.dsnOf(x, other))
			w.exec(conn, "select lo_create(0) from generate_series(1, 600)")
			_ = conn.Close(t.Context())
		}
		if err := p.Drop(w.soon(t), a); err != nil {
			t.Fatal(err)
		}
		inside := w.connect(w.srv.AdminDSN(other))
		if got := w.strings(inside, "select distinct pg_get_userbyid(lomowner)::text from pg_largeobject_metadata"); len(got) != 1 || got[0] != b.Login {
			t.Errorf("large objects belong to %q", got)
		}
		// What somebody gave the tenant there is not ours to take.
		w.exec(inside, "create schema given authorization "+b.Login)
		if err := p.Drop(w.soon(t), b); !errors.Is(err, onboard.ErrInWay) || !contains(err, other) {
			t.Errorf("with a schema in another database: %v", err)
		}
		w.exec(inside, "drop schema given")
		if err := p.Drop(w.soon(t), b); err != nil {
			t.Error(err)
		}
	})
}

func TestASchemaWithMoreTablesThanTheServerHasLocksIsDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.provisioner(onboard.Config{})
	a := w.tenant("a", registry.IsolationSchema)
	a.DDL = true
	w.provision(p, a)
	conn := w.as(a)
	var room int
	if err := conn.QueryRow(t.Context(), `select current_setting('max_locks_per_transaction')::int
		* (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int)`).Scan(&room); err != nil {
		t.Fatal(err)
	}
	w.exec(conn, `create view v0 as select 1 as x`)
	w.exec(conn, `create table parts (n int, c char) partition by range (n)`)
	for begin := 0; begin < 2*room; begin += 1000 {
		w.exec(conn, fmt.Sprintf(`do $$ begin for i in %d..%d loop
			execute format('create function f%%s() returns int language sql as ''select 1''', i);
			if i %% 20 = 0 then
				execute format('create table parts%%s partition of parts for values from (%%s) to (%%s)', i, i, i + 20);
				execute format('create view v%%s as select * from v%%s', i / 20 + 1, i / 20);
				execute format('create table t%%s (id serial primary key, tags text[])', i);
			end if; end loop; end $$`, begin, begin+999))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*soon)
	defer cancel()
	if err := p.Drop(ctx, a); err != nil {
		t.Error(err)
	}
}

func TestNoTenantLivesInTheControlDatabase(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		w.super("CREATE SCHEMA poolkeeper", "CREATE TABLE poolkeeper.tombstones (id text)")
		p := w.provisioner(onboard.Config{})
		a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
		for name, err := range map[string]error{
			"provision": p.Provision(t.Context(), a), "clone": p.Clone(t.Context(), a, b, true), "drop": p.Drop(t.Context(), a),
		} {
			if !errors.Is(err, onboard.ErrName) || !contains(err, "control database") {
				t.Errorf("%s: %.300v", name, err)
			}
		}
		if got := w.strings(w.connect(w.srv.AdminDSN(w.database)), "select rolname::text from pg_roles where rolname like $1", a.Login+"%"); len(got) > 0 {
			t.Errorf("made %q", got)
		}
	})
}

func TestATenantWhoseTablesAreCalledLikeOursHarmsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.provisioner(onboard.Config{})
	a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
	a.DDL, a.Schema = true, "poolkeeper"
	w.provision(p, a)
	w.exec(w.as(a), "create table tombstones (id text)")
	w.provision(p, b)
}

func TestAFloodedTableOfVersionsIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
	a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
	a.DDL, b.DDL = true, true
	w.provision(p, a)
	w.exec(w.as(a), "insert into goose_db_version (version_id, is_applied) select 1000 + n, true from generate_series(1, 100001) n")
	_, looked := p.VersionOf(t.Context(), a)
	for name, err := range map[string]error{"version": looked, "provision": p.Provision(t.Context(), a), "clone": p.Clone(t.Context(), a, b, true)} {
		if !errors.Is(err, onboard.ErrConflict) || !contains(err, "more than 100000 rows") {
			t.Errorf("%s: %.300v", name, err)
		}
	}
}

func TestATenantsWordsAreCutShortAndNoTerminalObeysThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
	a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
	a.DDL, b.DDL = true, true
	w.provision(p, a)
	conn := w.as(a)
	w.exec(conn, "do $$ begin for i in 1..300 loop execute format('create function f%s_%s() returns int language sql as ''select 1''', repeat('x', 50), i); end loop; end $$")
	if err := p.Clone(t.Context(), a, b, true); !errors.Is(err, onboard.ErrClone) || len(err.Error()) > 5000 || !contains(err, "and 250 more") {
		t.Errorf("many objects: %.300v (%d bytes)", err, len(fmt.Sprint(err)))
	}
	w.exec(conn, `create function loud() returns trigger language plpgsql as $$ begin raise exception '%', E'\x1b]0;title\x07\u202e' || repeat('ä', 1000000); end $$`)
	w.exec(conn, "delete from goose_db_version where version_id > 0")
	w.exec(conn, "drop view names")
	w.exec(conn, "drop table items")
	w.exec(conn, "create trigger loud before insert on goose_db_version for each row execute function loud()")
	err := p.Provision(t.Context(), a)
	var migration *onboard.MigrationError
	if !errors.As(err, &migration) || len(err.Error()) > 5000 || !strings.Contains(err.Error(), "]0;title") || strings.ContainsAny(err.Error(), "\x1b\x07\u202e") {
		t.Errorf("a long error: %.100v (%d bytes)", err, len(fmt.Sprint(err)))
	}
}

func TestWhatOthersGiveATenantDoesNotKeepItThere(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		p := w.provisioner(onboard.Config{})
		for name, isolation := range map[string]registry.Isolation{"in": registry.IsolationSchema, "out": registry.IsolationDatabase} {
			a, b := w.tenant(name+"a", isolation), w.tenant(name+"b", registry.IsolationSchema)
			a.DDL = true
			w.provision(p, a, b)
			w.given(p, a, b)
		}
		w.memberOfNobody()
	})
}

// given has a tenant give another what it never asked for, and drops that one.
func (w *world) given(p *onboard.Provisioner, a, b *registry.Tenant) {
	w.t.Helper()
	conn, place := w.as(a), cmp.Or(a.Schema, "public")
	for _, role := range []string{b.Login, b.ID.String() + "_owner"} {
		w.exec(conn, "create table for_"+role+" (x int)")
		w.exec(conn, "grant all on for_"+role+" to "+role+" with grant option")
		w.exec(conn, "grant all on schema "+place+" to "+role)
		w.exec(conn, "alter default privileges grant all on tables to "+role)
		w.exec(conn, "create policy p on for_"+role+" to "+role)
	}
	if err := p.Drop(w.t.Context(), b); err != nil {
		w.t.Error(err)
	}
	if got := w.strings(conn, "select count(*)::text from pg_class where relname like 'for\\_%'"); got[0] != "2" {
		w.t.Errorf("of the giver's tables are left: %q", got)
	}
}

func TestAConnectionStringToTheControlDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.super("CREATE SCHEMA poolkeeper", "CREATE TABLE poolkeeper.tombstones (id text)")
	a := w.tenant("a", registry.IsolationDatabase)
	a.DSN = registry.NewSecret(w.srv.AdminDSN(w.database))
	if err := w.provisioner(onboard.Config{}).Provision(t.Context(), a); !errors.Is(err, onboard.ErrName) || !contains(err, "control database") {
		t.Errorf("provision: %v", err)
	}
}
