package onboard_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

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
