package onboard_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
