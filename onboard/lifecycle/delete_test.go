package lifecycle_test

import (
	"errors"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// Two may delete a tenant at once, and somebody may add one of the same id in
// between: what was confirmed was not that one.
func TestADeletionIsOfTheTenantThatItWasConfirmedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r := w.add("acme")
	w.done(w.operator.Retire(w.soon(), "test", r.ID, 0, false))
	w.steps.hook = func(step string) {
		if step != "mark of the deletion" {
			return
		}
		err := w.db.Remove(t.Context(), r.ID)
		_, made := w.db.Create(t.Context(), &control.Record{State: registry.StatusPending, Tenant: r.Tenant})
		if err := errors.Join(err, made); err != nil {
			t.Error(err)
		}
	}
	op := w.ended(w.operator.Delete(w.soon(), "test", r.ID, r.ID.String(), false))
	if op.State != control.Failed || op.Code != "state" {
		t.Errorf("it ended as %s (%s): %s", op.State, op.Code, op.Error)
	}
	if now := w.record("acme"); now.Deleting || now.State != registry.StatusPending {
		t.Errorf("the other tenant is %s, being deleted: %t", now.State, now.Deleting)
	}
}
