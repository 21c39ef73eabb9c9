package onboard_test

import (
	"errors"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// What stands in the way of a tenant is somebody's, and a tenant that never
// became real because of it must not stay for ever.
func TestATenantThatNeverBecameRealGoesAndWhatWasInItsWayStays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		isolation registry.Isolation
		taken     func(x, victim *registry.Tenant)
	}{
		"another's login":    {registry.IsolationSchema, func(x, v *registry.Tenant) { x.Login = v.Login }},
		"another's schema":   {registry.IsolationSchema, func(x, v *registry.Tenant) { x.Schema = v.Schema }},
		"another's database": {registry.IsolationDatabase, func(x, v *registry.Tenant) { x.Database = v.Database }},
		"a superuser":        {registry.IsolationSchema, func(x, _ *registry.Tenant) { x.Login = "postgres" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forEachAdministrator(t, func(t *testing.T, w *world) {
				p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
				victim, x := w.tenant("victim", c.isolation), w.tenant("x", c.isolation)
				w.provision(p, victim)
				c.taken(x, victim)
				for _, status := range []registry.Status{registry.StatusActive, registry.StatusPending} {
					x.Status = status
					if err := p.Provision(t.Context(), x); !errors.Is(err, onboard.ErrConflict) {
						t.Fatalf("provision: %v", err)
					}
					err := p.Drop(t.Context(), x)
					if pending := status == registry.StatusPending; pending && err != nil || !pending && !errors.Is(err, onboard.ErrConflict) {
						t.Errorf("drop of the %s: %v", status, err)
					}
				}
				if got := w.strings(w.as(victim), "select name from items"); len(got) != 1 {
					t.Errorf("the victim has %q", got)
				}
				left := w.strings(w.connect(w.srv.AdminDSN(w.database)), "select rolname::text from pg_roles where rolname like $1", x.ID.String()+"%")
				if len(left) > 0 {
					t.Errorf("left over: %q", left)
				}
			})
		})
	}
}
