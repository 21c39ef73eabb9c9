package onboard_test

import (
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Among several workers another one would do the rest.
func TestTheOnlyWorkerGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tenants := w.fleet(4)
	bad := tenants[0]
	w.super(`CREATE TABLE "` + bad.Schema + `".late ()`)
	for id, m := range w.migrate(w.next(onboard.Config{}, lateTable), onboard.MigrateOptions{Workers: 1}, tenants...) {
		if id != bad.ID {
			w.came(m, 1, 2, "00002_late.sql")
		} else if m.Err == nil {
			t.Errorf("got %+v", m)
		}
	}
}

// The login's rights on what comes are there before the table of versions is.
func TestTheTableOfVersionsIsNeverTheLoginsToRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.tenant("a", registry.IsolationSchema)
	w.provision(w.provisioner(onboard.Config{}), a)
	super := w.connect(w.srv.AdminDSN(w.database))
	looked := false
	ctx := onboard.WithSteps(t.Context(), func(step string) {
		if step != "migration 00001_items.sql" {
			return
		}
		looked = true
		if got := w.strings(super, `select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) x
			join pg_roles r on r.oid = x.grantee where n.nspname = $1 and r.rolname = $2`, a.Schema, a.Login); len(got) > 0 {
			t.Errorf("before the first migration the login has rights on %q", got)
		}
	})
	err := w.next(onboard.Config{}, nil).Migrate(ctx, []*registry.Tenant{a}, onboard.MigrateOptions{}, func(m onboard.Migrated) { w.came(m, 0, 1, "00001_items.sql") })
	if err != nil || !looked {
		t.Errorf("migrated: %v, looked: %t", err, looked)
	}
}
