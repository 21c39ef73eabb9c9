package onboard_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestNothingLeaksFromOneTenantsMigrationToTheNext(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		tenants := w.fleet(4)
		w.super("CREATE TABLE public.seen (who text, role text, admin bool, path text, work_mem text, temp bool)", "GRANT ALL ON SCHEMA public TO PUBLIC", "GRANT ALL ON public.seen TO PUBLIC",
			"GRANT TEMPORARY ON DATABASE "+w.database+" TO PUBLIC")
		const look = `INSERT INTO public.seen SELECT split_part(current_setting('search_path'), ',', 1), current_user, current_user = session_user,
			current_setting('search_path'), current_setting('work_mem'), to_regclass('pg_temp.left_behind') IS NOT NULL;
`
		p := w.next(onboard.Config{}, map[string]string{
			"00002_dirt.sql": "-- +goose NO TRANSACTION\n-- +goose Up\n" + look + `SET work_mem = '77MB';
CREATE TEMP TABLE left_behind ();
SET search_path = public, pg_temp;
PREPARE leftover AS SELECT 1;
RESET ROLE;
`,
			"00003_look.sql": "-- +goose Up\n" + look + "PREPARE leftover AS SELECT 1;\nRESET ROLE;\nSET search_path = pg_catalog;\nSET SESSION AUTHORIZATION DEFAULT;\n",
			"00004_path.sql": "-- +goose Up\n" + look + "SELECT pg_catalog.set_config('search_path', '', false);\n",
		})
		told := w.migrate(p, onboard.MigrateOptions{Workers: 1}, tenants...)
		for _, a := range tenants {
			m := told[a.ID]
			if w.admin == w.srv.AdminDSN(w.database) {
				w.came(m, 1, 4, "00002_dirt.sql", "00003_look.sql", "00004_path.sql")
			} else if m.Err != nil && !contains(m.Err, "42501") {
				t.Errorf("got %v", m.Err) // who resets the role may not write the version
			}
		}
		rows := w.strings(w.connect(w.srv.AdminDSN(w.database)), "select distinct concat_ws(' ', role, admin, path, work_mem, temp) from public.seen order by 1")
		var want []string
		for _, a := range tenants {
			want = append(want, fmt.Sprintf(`%s f "%s" 4MB f`, onboard.OwnerName(a.ID.String()), a.Schema))
		}
		slices.Sort(want)
		if !slices.Equal(rows, want) {
			t.Errorf("migrations saw\n%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestATransactionThatAMigrationLeavesOpenIsAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tenants := w.fleet(3)
	p := w.next(onboard.Config{}, map[string]string{"00002_open.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nBEGIN;\nCREATE TABLE x ();\n"})
	for _, m := range w.migrate(p, onboard.MigrateOptions{Workers: 1}, tenants...) {
		if m.Err == nil || !contains(m.Err, "migration 00002_open.sql", "leaves a transaction open") || m.To != 1 {
			t.Errorf("got %+v", m)
		}
	}
	if got := w.tables(tenants[0].Schema); slices.Contains(got, "x") {
		t.Errorf("there are %q", got)
	}
}

// ddl: the tenant's functions run with our statements.
func TestATrapInAFleetCatchesNobody(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		tenants := w.fleet(4)
		trapped := w.tenant("ddl", registry.IsolationSchema)
		trapped.DDL = true
		w.provision(w.next(onboard.Config{}, nil), trapped)
		w.exec(w.as(trapped), `create table caught (who text, session text);
			create function trap() returns trigger language plpgsql as $$ begin
			execute 'reset role'; insert into caught values (current_user, session_user);
			begin execute 'reset session authorization'; execute 'alter role `+trapped.Login+` createdb'; exception when insufficient_privilege then null; end;
			return new; end $$;
			create trigger trap before insert on goose_db_version for each row execute function trap()`)
		p := w.next(onboard.Config{}, lateTable)
		all := append(slices.Clone(tenants[:2]), trapped)
		all = append(all, tenants[2:]...)
		for _, m := range w.migrate(p, onboard.MigrateOptions{Workers: 1}, all...) {
			w.came(m, 1, 2, "00002_late.sql")
		}
		if got := w.strings(w.as(trapped), "select distinct who || ' ' || session from caught"); !slices.Equal(got, []string{trapped.Login + " " + trapped.Login}) {
			t.Errorf("the trap saw %q", got)
		}
		if got := w.strings(w.connect(w.admin), "select rolname from pg_roles where rolname = $1 and rolcreatedb", trapped.Login); len(got) > 0 {
			t.Error("the tenant has power now")
		}
		if got, err := p.VersionOf(t.Context(), trapped); got != 2 || err != nil {
			t.Errorf("version %d, %v", got, err)
		}
	})
}

// A record that says ddl no longer, over a schema or a table that is still the
// tenant's: what the tenant left there must not run as anybody else.
func TestWhatBelongsToALoginIsNotReadAsItsOwner(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a := w.tenant("ddl", registry.IsolationSchema)
		a.DDL = true
		w.provision(w.next(onboard.Config{}, nil), a)
		conn := w.as(a)
		w.exec(conn, `create sequence caught; create function trap() returns boolean language sql security definer as $$ select nextval('`+a.Schema+`.caught') > 0 $$;
			create policy trap on goose_db_version using (trap());
			alter table goose_db_version enable row level security, force row level security;
			grant all on schema `+a.Schema+` to public; grant all on goose_db_version to public`)
		p := w.next(onboard.Config{}, lateTable)
		changed := *a
		changed.DDL = false
		check := func() {
			t.Helper()
			m := w.migrate(p, onboard.MigrateOptions{}, &changed)[a.ID]
			if !errors.Is(m.Err, onboard.ErrConflict) {
				t.Errorf("got %v", m.Err)
			}
			if _, err := p.VersionOf(t.Context(), &changed); !errors.Is(err, onboard.ErrConflict) {
				t.Errorf("got %v", err)
			}
		}
		check()
		owner := onboard.OwnerName(a.ID.String())
		w.super(fmt.Sprintf(`DO $$ BEGIN CREATE ROLE %q; EXCEPTION WHEN duplicate_object THEN END $$`, owner), fmt.Sprintf(`ALTER SCHEMA %q OWNER TO %q`, a.Schema, owner))
		check() // the table is still the login's
		if got := w.strings(conn, "select 'it ran' from "+a.Schema+".caught where is_called"); len(got) > 0 {
			t.Error("what the tenant left there ran")
		}
	})
}
