package integration_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// A tenant that wants what is another's stays pending. It can be deleted, at
// once and after a crash, and what is the other's stays.
func TestATenantThatWantsWhatIsAnothersCanAlwaysBeDeleted(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	victim := p.add(t, "victim", registry.IsolationSchema)
	everyStep(t, 3, func(t *testing.T, n int) string {
		want := registry.Tenant{ID: p.id(fmt.Sprintf("thief%d", n)), Login: victim.Login, Password: registry.NewSecret("a guess")}
		op, err := p.operator.Add(t.Context(), "test", lifecycle.Spec{Tenant: want})
		if err != nil {
			t.Fatal(err)
		}
		if op = p.ended(t, op); op.State != control.Failed || op.Code != "name_taken" {
			t.Errorf("it ended as %s %s: %s", op.State, op.Code, op.Error)
		}
		step := p.doom(t, doomed{Kind: "delete", Tenant: want.ID.String(), Step: n})
		if step != "" {
			p.again(t, func() (control.Operation, error) {
				return p.operator.Delete(t.Context(), "test", want.ID, want.ID.String(), false)
			})
		}
		if _, err := p.db.Record(t.Context(), want.ID); !errors.Is(err, registry.ErrUnknown) {
			t.Errorf("killed at %q and healed, its record: %v", step, err)
		}
		return step
	})
	p.works(t, victim)
}

func TestATenantOfTheControlDatabaseNeverBecomesReal(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	for name, t1 := range map[string]registry.Tenant{
		"schema": {ID: p.id("in-control"), Database: p.controlName},
		"dsn":    {ID: p.id("to-control"), Isolation: registry.IsolationDatabase, DSN: registry.NewSecret(p.setup.Control), Cluster: "main"},
	} {
		op, err := p.operator.Add(t.Context(), "test", lifecycle.Spec{Tenant: t1})
		if err != nil {
			t.Logf("%s: refused at once: %v", name, err)
			continue
		}
		if op = p.ended(t, op); op.State != control.Failed || op.Code != "bad_request" {
			t.Errorf("%s: it ended as %s %s: %s", name, op.State, op.Code, op.Error)
		}
	}
}
