package onboard_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

const firstFile = "-- +goose Up\nCREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);\n-- +goose Down\nDROP TABLE items;\n"

// next writes the folder of a later release: the first file and those given.
func (w *world) next(cfg onboard.Config, later map[string]string) *onboard.Provisioner {
	w.t.Helper()
	files := map[string]string{"00001_items.sql": firstFile}
	maps.Copy(files, later)
	cfg.Migrations = w.t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(cfg.Migrations, name), []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	return w.provisioner(cfg)
}

// fleet provisions tenants that are at version 1.
func (w *world) fleet(n int) []*registry.Tenant {
	w.t.Helper()
	tenants := make([]*registry.Tenant, n)
	for i := range tenants {
		tenants[i] = w.tenant(fmt.Sprintf("f%d", i), registry.IsolationSchema)
	}
	w.provision(w.next(onboard.Config{}, nil), tenants...)
	return tenants
}

// migrate runs and collects what was told, by tenant. The map without a lock
// has the race detector see to it that told is called by one at a time.
func (w *world) migrate(p *onboard.Provisioner, o onboard.MigrateOptions, tenants ...*registry.Tenant) map[registry.ID]onboard.Migrated {
	w.t.Helper()
	told := map[registry.ID]onboard.Migrated{}
	err := p.Migrate(w.t.Context(), tenants, o, func(m onboard.Migrated) {
		if _, twice := told[m.Tenant]; twice {
			w.t.Errorf("%s is told twice", m.Tenant)
		}
		told[m.Tenant] = m
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(told) != len(tenants) {
		w.t.Errorf("%d of %d tenants are told", len(told), len(tenants))
	}
	return told
}

// came checks what became of one tenant.
func (w *world) came(m onboard.Migrated, from, to int64, files ...string) {
	w.t.Helper()
	if m.Err != nil || m.From != from || m.To != to || !slices.Equal(m.Applied, files) {
		w.t.Errorf("%s: from %d to %d, %q, %v; want %d to %d, %q", m.Tenant, m.From, m.To, m.Applied, m.Err, from, to, files)
	}
}

// memberships are the roles that the administrator is a member of.
func (w *world) memberships() []string {
	w.t.Helper()
	return w.strings(w.connect(w.admin), `select r.rolname::text from pg_auth_members m join pg_roles r on r.oid = m.roleid
		join pg_roles u on u.oid = m.member where u.rolname = current_user
		and coalesce((to_jsonb(m) ->> 'set_option')::bool, true) and r.rolname like $1`, w.prefix+"f%")
}

var lateTable = map[string]string{"00002_late.sql": "-- +goose Up\nCREATE TABLE late (n serial);\nCREATE MATERIALIZED VIEW many AS SELECT 1 AS n;\n-- +goose Down\nDROP MATERIALIZED VIEW many;\nDROP TABLE late;\n"}

func TestAFleetIsMigratedOnSeveralWorkers(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		tenants := w.fleet(50)
		p := w.next(onboard.Config{}, lateTable)
		var step atomic.Int64
		p.Through(nil, 4)
		told := map[registry.ID]onboard.Migrated{}
		ctx := onboard.WithSteps(t.Context(), func(name string) {
			if name == "migration 00002_late.sql" {
				step.Add(1)
			}
		})
		if err := p.Migrate(ctx, tenants, onboard.MigrateOptions{}, func(m onboard.Migrated) { told[m.Tenant] = m }); err != nil {
			t.Fatal(err)
		}
		for _, a := range tenants {
			w.came(told[a.ID], 1, 2, "00002_late.sql")
		}
		if step.Load() != 50 {
			t.Errorf("%d steps are told", step.Load())
		}
		conn := w.as(tenants[17])
		w.exec(conn, "insert into late default values")
		w.exec(conn, "select * from many")
		for _, sql := range []string{"select * from goose_db_version", "delete from goose_db_version", "drop table late", "delete from many"} {
			if _, err := conn.Exec(t.Context(), sql); sqlState(err) != "42501" && sqlState(err) != "42809" {
				t.Errorf("%s: %v", sql, err)
			}
		}
		for _, m := range w.migrate(p, onboard.MigrateOptions{Workers: 3}, tenants...) {
			w.came(m, 2, 2)
		}
		if got := w.memberships(); len(got) > 0 {
			t.Errorf("the administrator is still a member of %q", got)
		}
		if got, err := p.VersionOf(t.Context(), tenants[3]); got != 2 || err != nil {
			t.Errorf("version %d, %v", got, err)
		}
	})
}

// The administrator's statements are counted by the server itself.
func TestATenantThatIsUpToDateCostsOneRoundTrip(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		tenants := w.fleet(20)
		var dialled, sent atomic.Int64
		p := w.next(onboard.Config{}, nil)
		p.Through(counting(&dialled, &sent), 1)
		w.migrate(p, onboard.MigrateOptions{}, tenants[:1]...)
		alone := sent.Load()
		w.migrate(p, onboard.MigrateOptions{}, tenants...)
		if got := sent.Load() - 2*alone; got != 19 {
			t.Errorf("19 more tenants cost %d messages", got)
		}
		if dialled.Load() != 2 {
			t.Errorf("two runs opened %d connections", dialled.Load())
		}
	})
}

func TestOneTenantsFailureIsItsOwnAndRunningAgainResumes(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		tenants := w.fleet(12)
		bad := tenants[5]
		w.super(`CREATE TABLE "` + bad.Schema + `".late ()`)
		three := maps.Clone(lateTable)
		three["00003_three.sql"] = "-- +goose Up\nCREATE TABLE three ();\n"
		p := w.next(onboard.Config{}, three)
		for id, m := range w.migrate(p, onboard.MigrateOptions{Workers: 4}, tenants...) {
			if id != bad.ID {
				w.came(m, 1, 3, "00002_late.sql", "00003_three.sql")
				continue
			}
			failed, ok := errors.AsType[*onboard.MigrationError](m.Err)
			if !ok || failed.File != "00002_late.sql" || failed.SQLState != "42P07" || failed.Tenant != id || m.From != 1 || m.To != 1 || len(m.Applied) > 0 {
				t.Errorf("got %+v", m)
			}
			if !contains(m.Err, "onboard: tenant "+id.String()+": ") {
				t.Errorf("%v does not name the tenant", m.Err)
			}
		}
		w.super(`DROP TABLE "` + bad.Schema + `".late`)
		for id, m := range w.migrate(p, onboard.MigrateOptions{}, tenants...) {
			if id == bad.ID {
				w.came(m, 1, 3, "00002_late.sql", "00003_three.sql")
			} else {
				w.came(m, 3, 3)
			}
		}
		if got := w.memberships(); len(got) > 0 {
			t.Errorf("the administrator is still a member of %q", got)
		}
	})
}

func TestABusyTenantFailsAndIsNotTouched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tenants := w.fleet(6)
	busy := errors.New("busy")
	var held, freed atomic.Int64
	lock := func(ctx context.Context, id registry.ID) (context.Context, func(), error) {
		if id == tenants[2].ID {
			return nil, nil, busy
		}
		if id == tenants[4].ID { // whose lock is lost at once
			ended, cancel := context.WithCancel(ctx)
			cancel()
			return ended, func() { freed.Add(1) }, nil
		}
		held.Add(1)
		return ctx, func() { held.Add(-1); freed.Add(1) }, nil
	}
	p := w.next(onboard.Config{}, lateTable)
	for id, m := range w.migrate(p, onboard.MigrateOptions{Workers: 2, Lock: lock}, tenants...) {
		switch id {
		case tenants[2].ID:
			if !errors.Is(m.Err, busy) {
				t.Errorf("got %v", m.Err)
			}
		case tenants[4].ID:
			if !errors.Is(m.Err, context.Canceled) {
				t.Errorf("got %v", m.Err)
			}
		default:
			w.came(m, 1, 2, "00002_late.sql")
		}
	}
	if held.Load() != 0 || freed.Load() != 5 {
		t.Errorf("%d locks are held, %d were freed", held.Load(), freed.Load())
	}
	for _, i := range []int{2, 4} {
		if got, err := p.VersionOf(t.Context(), tenants[i]); got != 1 || err != nil {
			t.Errorf("it is at version %d, %v", got, err)
		}
	}
}

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

func TestAMigrationWithoutTransactionThatFailsLeavesTheRightVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.fleet(1)[0]
	later := map[string]string{
		"00002_i.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY i ON items (name);\n-- +goose Down\nDROP INDEX CONCURRENTLY i;\n",
		"00003_u.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE UNIQUE INDEX CONCURRENTLY u ON items (name);\n-- +goose Down\nDROP INDEX CONCURRENTLY u;\n",
	}
	p := w.next(onboard.Config{}, later)
	w.exec(w.as(a), "insert into items (name) values ('x'), ('x')")
	m := w.migrate(p, onboard.MigrateOptions{}, a)[a.ID]
	failed, ok := errors.AsType[*onboard.MigrationError](m.Err)
	if !ok || failed.File != "00003_u.sql" || failed.SQLState != "23505" || m.To != 2 || !slices.Equal(m.Applied, []string{"00002_i.sql"}) {
		t.Errorf("got %+v", m)
	}
	if got, err := p.VersionOf(t.Context(), a); got != 2 || err != nil {
		t.Errorf("it is at %d, %v", got, err)
	}
	w.super("DROP INDEX \""+a.Schema+"\".u", "DELETE FROM \""+a.Schema+"\".items")
	w.came(w.migrate(p, onboard.MigrateOptions{}, a)[a.ID], 2, 3, "00003_u.sql")
	w.came(w.migrate(p, onboard.MigrateOptions{Down: map[registry.ID]int64{a.ID: 1}}, a)[a.ID], 3, 1, "00003_u.sql", "00002_i.sql")
}

func TestEachTenantGoesDownToItsOwnVersion(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		tenants := w.fleet(5)
		later := maps.Clone(lateTable)
		later["00003_more.sql"] = "-- +goose Up\nCREATE TABLE more ();\n-- +goose Down\nDROP TABLE more;\n"
		later["00004_one_way.sql"] = "-- +goose Up\nSELECT 1;\n"
		later["00005_stuck.sql"] = "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1 / count(*) FROM items;\n"
		p := w.next(onboard.Config{}, later)
		w.migrate(p, onboard.MigrateOptions{}, tenants...)
		for _, a := range tenants[:4] {
			w.exec(w.as(a), "insert into items (name) values ('x')")
		}
		down := map[registry.ID]int64{tenants[0].ID: 1, tenants[1].ID: 3, tenants[2].ID: 0, tenants[4].ID: 2}
		told := w.migrate(p, onboard.MigrateOptions{Down: down}, tenants...)
		w.came(told[tenants[0].ID], 5, 1, "00005_stuck.sql", "00004_one_way.sql", "00003_more.sql", "00002_late.sql")
		w.came(told[tenants[1].ID], 5, 3, "00005_stuck.sql", "00004_one_way.sql")
		w.came(told[tenants[2].ID], 5, 0, "00005_stuck.sql", "00004_one_way.sql", "00003_more.sql", "00002_late.sql", "00001_items.sql")
		if m := told[tenants[3].ID]; !errors.Is(m.Err, onboard.ErrMigrations) {
			t.Errorf("got %+v", m) // nobody said how far
		}
		if m := told[tenants[4].ID]; m.Err == nil || !contains(m.Err, "00005_stuck.sql (SQLSTATE 22012)") || m.To != 5 {
			t.Errorf("got %+v", m)
		}
		if got := w.tables(tenants[0].Schema); !slices.Equal(got, []string{"goose_db_version", "items"}) {
			t.Errorf("there are %q", got)
		}
		w.came(w.migrate(p, onboard.MigrateOptions{Down: down}, tenants[0])[tenants[0].ID], 1, 1) // nothing left to undo
		w.came(w.migrate(p, onboard.MigrateOptions{}, tenants[0])[tenants[0].ID], 1, 5, "00002_late.sql", "00003_more.sql", "00004_one_way.sql", "00005_stuck.sql")
	})
}

func TestSharedTablesAreMigratedOnceAndToldForEachTenant(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		cfg := onboard.Config{Shared: sharedTables(t)}
		var tenants []*registry.Tenant
		for i := range 5 {
			tenants = append(tenants, w.tenant(fmt.Sprintf("f%d", i), registry.IsolationRow))
		}
		w.provision(w.provisioner(cfg), tenants...)
		dir := cfg.Shared
		late := "-- +goose Up\nCREATE TABLE late (tenant_id text NOT NULL, n int);\n-- +goose Down\nDROP TABLE late;\n"
		if err := os.WriteFile(filepath.Join(dir, "00002_late.sql"), []byte(late), 0o600); err != nil {
			t.Fatal(err)
		}
		p := w.provisioner(cfg)
		var steps atomic.Int64
		ctx := onboard.WithSteps(t.Context(), func(name string) {
			if strings.HasPrefix(name, "migration ") {
				steps.Add(1)
			}
		})
		told := map[registry.ID]onboard.Migrated{}
		if err := p.Migrate(ctx, tenants, onboard.MigrateOptions{}, func(m onboard.Migrated) { told[m.Tenant] = m }); err != nil {
			t.Fatal(err)
		}
		for _, a := range tenants {
			w.came(told[a.ID], 1, 2, "00002_late.sql")
		}
		if steps.Load() != 1 {
			t.Errorf("it was applied %d times", steps.Load())
		}
		w.exec(w.as(tenants[0]), "insert into late values ($1, 1)", tenants[0].ID.String())
		if got := w.strings(w.as(tenants[1]), "select tenant_id from late"); len(got) > 0 {
			t.Errorf("another tenant sees %q", got)
		}
		w.refused(w.as(tenants[1]), "42501", "insert into late values ('"+tenants[0].ID.String()+"', 2)")
		w.refused(w.as(tenants[1]), "42501", "select * from goose_db_version")

		// A run that was cut short before it gave the rights is healed.
		w.super(`REVOKE ALL ON shared.late FROM `+w.prefix+`_app`, `DROP POLICY poolkeeper_tenant ON shared.late`)
		w.came(w.migrate(p, onboard.MigrateOptions{}, tenants...)[tenants[4].ID], 2, 2)
		w.exec(w.as(tenants[0]), "select from late")

		down := map[registry.ID]int64{tenants[0].ID: 1, tenants[1].ID: 1, tenants[2].ID: 0, tenants[3].ID: 1, tenants[4].ID: 1}
		told = w.migrate(p, onboard.MigrateOptions{Down: down}, tenants...)
		w.came(told[tenants[3].ID], 2, 1, "00002_late.sql")
		if m := told[tenants[2].ID]; m.Err == nil || !contains(m.Err, "shares its tables with "+tenants[0].ID.String()) {
			t.Errorf("got %+v", m)
		}
		if len(w.memberships()) > 0 {
			t.Error("the administrator is still a member of a role")
		}
	})
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

func TestATenantWithoutAPlaceFailsClearly(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		good := w.fleet(1)[0]
		noSchema, noDatabase, noCluster := w.tenant("s", registry.IsolationSchema), w.tenant("d", registry.IsolationDatabase), w.tenant("c", registry.IsolationSchema)
		noCluster.Cluster = "elsewhere"
		foreign := w.tenant("own", registry.IsolationSchema)
		foreign.DSN = registry.NewSecret("postgres://nobody@127.0.0.1:1/x")
		p := w.next(onboard.Config{}, lateTable)
		told := w.migrate(p, onboard.MigrateOptions{}, noSchema, noDatabase, noCluster, foreign, good)
		w.came(told[good.ID], 1, 2, "00002_late.sql")
		w.came(told[foreign.ID], 0, 0) // run by somebody else
		for id, want := range map[registry.ID]struct {
			kind error
			text string
		}{
			noSchema.ID:   {onboard.ErrAbsent, "there is no schema " + noSchema.Schema},
			noDatabase.ID: {onboard.ErrAbsent, "there is no database " + noDatabase.Database},
			noCluster.ID:  {onboard.ErrCluster, `cluster "elsewhere" is not configured`},
		} {
			if err := told[id].Err; !errors.Is(err, want.kind) || !contains(err, "tenant "+id.String(), want.text) {
				t.Errorf("got %v", err)
			}
		}
		if _, err := p.VersionOf(t.Context(), noSchema); !errors.Is(err, onboard.ErrAbsent) {
			t.Errorf("got %v", err)
		}
	})
}

func TestTenantsWithDatabasesAreMigrated(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		tenants := []*registry.Tenant{w.tenant("d0", registry.IsolationDatabase), w.tenant("f1", registry.IsolationSchema), w.tenant("d2", registry.IsolationDatabase)}
		w.provision(w.next(onboard.Config{}, nil), tenants...)
		for _, m := range w.migrate(w.next(onboard.Config{}, lateTable), onboard.MigrateOptions{Workers: 1}, tenants...) {
			w.came(m, 1, 2, "00002_late.sql")
		}
		w.exec(w.as(tenants[2]), "insert into late default values")
	})
}

func TestTheEndOfTheContextEndsWhatIsUnderWayAndBeginsNothing(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		tenants := w.fleet(6)
		p := w.next(onboard.Config{}, map[string]string{"00002_slow.sql": "-- +goose Up\nCREATE TABLE half ();\nSELECT pg_sleep(3600);\n"})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ctx = onboard.WithSteps(ctx, func(name string) {
			if name == "migration 00002_slow.sql" {
				go cancelWhenAsleep(w, cancel, 2)
			}
		})
		var told []onboard.Migrated
		err := p.Migrate(ctx, tenants, onboard.MigrateOptions{Workers: 2}, func(m onboard.Migrated) { told = append(told, m) })
		if !errors.Is(err, context.Canceled) || len(told) != 2 {
			t.Errorf("got %v and %+v", err, told)
		}
		for _, m := range told {
			if !errors.Is(m.Err, context.Canceled) || m.To != 1 {
				t.Errorf("got %+v", m)
			}
		}
		w.none("select pid::text from pg_stat_activity where datname = $1 and query like '%pg_sleep(3600)%' and pid <> pg_backend_pid()", w.database)
		if got := w.tables(tenants[0].Schema); slices.Contains(got, "half") {
			t.Errorf("there are %q", got)
		}
		if got := w.memberships(); len(got) > 0 {
			t.Errorf("the administrator is still a member of %q", got)
		}
	})
}

// cancelWhenAsleep waits until n sessions are in the migration.
func cancelWhenAsleep(w *world, cancel func(), n int) {
	conn, err := pgx.Connect(context.WithoutCancel(w.t.Context()), w.srv.AdminDSN(w.database))
	if err != nil {
		cancel()
		return
	}
	defer conn.Close(context.WithoutCancel(w.t.Context()))
	for {
		var sleeping int
		err := conn.QueryRow(w.t.Context(), "select count(*) from pg_stat_activity where datname = $1 and wait_event = 'PgSleep'", w.database).Scan(&sleeping)
		if err != nil || sleeping >= n {
			cancel()
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-w.t.Context().Done():
			return
		}
	}
}

// none waits until the query has no rows.
func (w *world) none(sql string, args ...any) {
	w.t.Helper()
	conn := w.connect(w.srv.AdminDSN(w.database))
	for end := time.Now().Add(30 * time.Second); len(w.strings(conn, sql, args...)) > 0; {
		if time.Now().After(end) {
			w.t.Fatalf("there still is something: %s", sql)
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-w.t.Context().Done():
		}
	}
}

func TestLatestAndPendingAreOfTheTenantsOwnSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.next(onboard.Config{Shared: sharedTables(t)}, map[string]string{"00010_ten.sql": firstFile, "9_nine.sql": firstFile})
	schema, row, foreign := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationRow), w.tenant("c", registry.IsolationSchema)
	foreign.DSN = registry.NewSecret("postgres://elsewhere/x")
	if got := []int64{p.Latest(schema), p.Latest(row), p.Latest(foreign), w.provisioner(onboard.Config{}).Latest(schema)}; !slices.Equal(got, []int64{10, 1, 0, 0}) {
		t.Errorf("got %d", got)
	}
	if got := p.Pending(schema, 1); !slices.Equal(got, []string{"9_nine.sql", "00010_ten.sql"}) {
		t.Errorf("got %q", got)
	}
	if got := p.Pending(row, 1); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

func TestAFileOlderThanWhatWasAppliedIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.fleet(1)[0]
	w.migrate(w.next(onboard.Config{}, map[string]string{"00005_five.sql": "-- +goose Up\nSELECT 1;\n"}), onboard.MigrateOptions{}, a)
	p := w.next(onboard.Config{}, map[string]string{"00003_three.sql": "-- +goose Up\nSELECT 1;\n", "00005_five.sql": "-- +goose Up\nSELECT 1;\n"})
	if m := w.migrate(p, onboard.MigrateOptions{}, a)[a.ID]; m.Err == nil || !contains(m.Err, "version 3") || m.To != 5 {
		t.Errorf("got %+v", m)
	}
}
