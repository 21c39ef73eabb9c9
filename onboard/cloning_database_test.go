package onboard_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestACloneOfADatabaseBelongsToTheTarget(t *testing.T) {
	t.Parallel()
	for _, ddl := range []bool{false, true} {
		t.Run(map[bool]string{false: "owner", true: "ddl"}[ddl], func(t *testing.T) {
			t.Parallel()
			forEachAdministrator(t, func(t *testing.T, w *world) {
				a, b := w.tenant("a", registry.IsolationDatabase), w.tenant("b", registry.IsolationDatabase)
				a.DDL, b.DDL = ddl, ddl
				p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
				w.provision(p, a)
				conn := w.as(a)
				w.exec(conn, "insert into items (name) values ('of a')")
				if ddl {
					w.exec(conn, "create table own (id int)")
					w.exec(conn, "create policy mine on own to "+a.Login+" using (true)")
					w.exec(conn, "alter default privileges grant select on tables to "+a.Login)
				}
				if err := p.Clone(t.Context(), a, b, true); err != nil {
					t.Fatal(err)
				}
				if err := conn.Ping(t.Context()); err == nil {
					t.Error("a session in the source has not been ended")
				}
				want := []string{"of a", "public in " + a.Database}
				for _, tenant := range []*registry.Tenant{a, b} {
					if got := w.strings(w.as(tenant), "select name from items order by 1"); !slices.Equal(got, want) {
						t.Errorf("%s reads %q", tenant.ID, got)
					}
				}
				w.exec(w.as(b), "insert into items (name) values ('of b')")
				if err := p.Clone(t.Context(), a, b, true); err != nil {
					t.Errorf("again: %v", err)
				}
				if got := w.strings(w.as(b), "select name from items where name = 'of b'"); len(got) != 1 {
					t.Error("a second call has replaced rows")
				}
				w.nothingOf(a, b)
				for from, to := range map[*registry.Tenant]*registry.Tenant{a: b, b: a} {
					if _, err := pgx.Connect(t.Context(), w.dsnOf(from, to.Database)); sqlState(err) != "42501" {
						t.Errorf("%s connects to %s: %v", from.ID, to.Database, err)
					}
				}
				if ddl {
					w.exec(w.as(b), "alter table own add column more int")
					if got := w.strings(w.as(b), "select roles::text from pg_policies"); !slices.Equal(got, []string{"{" + b.Login + "}"}) {
						t.Errorf("the policy is for %q", got)
					}
				}
			})
		})
	}
}

// nothingOf checks that the roles of one tenant neither own anything in the
// database of another nor may do anything there.
func (w *world) nothingOf(a, b *registry.Tenant) {
	w.t.Helper()
	conn := w.connect(w.srv.AdminDSN(b.Database))
	left := w.strings(conn, `select pg_describe_object(d.classid, d.objid, d.objsubid) || ': ' || r.rolname from pg_shdepend d join pg_roles r on r.oid = d.refobjid
		where d.refclassid = 'pg_authid'::regclass and r.rolname = any($1) and d.dbid = (select oid from pg_database where datname = current_database())`,
		[]string{a.Login, onboard.OwnerName(a.ID.String())})
	if len(left) > 0 {
		w.t.Errorf("the source's roles have in the copy %q", left)
	}
	if got := w.strings(conn, "select pg_get_userbyid(datdba)::text from pg_database where datname = any($1) order by datname", []string{a.Database, b.Database}); !slices.Equal(
		got, []string{onboard.OwnerName(a.ID.String()), onboard.OwnerName(b.ID.String())}) {
		w.t.Errorf("the databases belong to %q", got)
	}
}

func TestASourceThatACrashHasLeftClosedIsOpenedAgain(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a, b := w.tenant("a", registry.IsolationDatabase), w.tenant("b", registry.IsolationDatabase)
		p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
		w.provision(p, a)
		for _, at := range []string{"clone: database", "clone: owners", "clone: name"} {
			ctx, cancel := context.WithCancel(t.Context())
			err := p.Clone(onboard.WithSteps(ctx, func(step string) {
				if step == at {
					cancel()
				}
			}), a, b, true)
			cancel()
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("at %s: %v", at, err)
			}
			_ = w.as(a) // it is open
		}
		w.super("ALTER DATABASE " + a.Database + " ALLOW_CONNECTIONS false")
		if err := p.Clone(t.Context(), a, b, true); err != nil {
			t.Fatal(err)
		}
		if got, want := w.strings(w.as(b), "select name from items"), w.strings(w.as(a), "select name from items"); !slices.Equal(got, want) {
			t.Errorf("read %q, want %q", got, want)
		}
		if drafts := w.strings(w.connect(w.admin), "select d.datname::text from pg_database d join pg_roles r on r.oid = d.datdba where d.datname like 'poolkeeper_clone%' and r.rolname like $1 || '%'", w.prefix); len(drafts) > 0 {
			t.Errorf("left over: %q", drafts)
		}
	})
}

func TestSomebodyElsesSessionKeepsADatabaseFromBeingCopied(t *testing.T) {
	t.Parallel()
	w := newOrdinaryWorld(t)
	a, b := w.tenant("a", registry.IsolationDatabase), w.tenant("b", registry.IsolationDatabase)
	p := w.provisioner(onboard.Config{})
	w.provision(p, a)
	super := w.connect(w.srv.AdminDSN(a.Database)) // not the administrator's to end
	err := p.Clone(t.Context(), a, b, true)
	if !errors.Is(err, onboard.ErrClone) || !contains(err, a.Database) {
		t.Errorf("got %v", err)
	}
	if err := super.Ping(t.Context()); err != nil {
		t.Errorf("the superuser's session was ended: %v", err)
	}
	_ = w.as(a) // it is open again
}

func TestADatabaseThatIsThereIsNotReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.tenant("a", registry.IsolationDatabase), w.tenant("b", registry.IsolationDatabase)
	p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
	w.provision(p, a, b)
	if err := p.Clone(t.Context(), a, b, true); !errors.Is(err, onboard.ErrConflict) {
		t.Errorf("got %v", err)
	}
	if got := w.strings(w.as(b), "select name from items"); !slices.Equal(got, []string{"public in " + b.Database}) {
		t.Errorf("read %q", got)
	}
}

func TestWhoIsDisconnectedIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.tenant("a", registry.IsolationDatabase), w.tenant("b", registry.IsolationDatabase)
	p := w.provisioner(onboard.Config{})
	w.provision(p, a)
	if err := p.Clone(t.Context(), a, b, true); err != nil {
		t.Fatal(err)
	}
	if log := w.log.String(); !strings.Contains(log, "nobody can connect to it") || !strings.Contains(log, "opened=true") {
		t.Errorf("the log says %q", log)
	}
}
