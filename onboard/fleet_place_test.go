package onboard_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

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
