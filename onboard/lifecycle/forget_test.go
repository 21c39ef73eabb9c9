package lifecycle_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// lost is a retired tenant whose cluster has left the configuration.
func (w *world) lost() registry.ID {
	w.Helper()
	id := w.id("lost")
	w.clusters["gone"] = w.clusters["main"]
	db, _ := w.process()
	_, err := db.Create(w.soon(), &control.Record{State: registry.StatusRetired, Tenant: registry.Tenant{
		ID: id, Cluster: "gone", Isolation: registry.IsolationSchema, Schema: id.String(), Login: id.String(), Password: registry.NewSecret("hush"),
	}})
	must(w, err)
	w.clusters = map[string]registry.Cluster{"main": w.clusters["main"]}
	w.db, w.operator = w.process()
	return id
}

func TestATenantWhoseClusterIsGoneIsNotDeletedHalfButForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.lost()
	before := w.record("lost")
	_, err := w.operator.Delete(w.soon(), "test", id, id.String(), false)
	if !errors.Is(err, lifecycle.ErrState) || !strings.Contains(err.Error(), "the cluster gone") || !strings.Contains(err.Error(), "--forget") {
		t.Errorf("deleted: %v", err)
	}
	if now := w.record("lost"); now.Version != before.Version || now.Deleting {
		t.Errorf("a refusal has changed it: %+v", now)
	}
	if _, err := w.operator.Forget(w.soon(), "test", id, "lost"); !errors.Is(err, lifecycle.ErrConfirm) {
		t.Errorf("mistyped: %v", err)
	}
	w.done(w.operator.Forget(w.soon(), "test", id, id.String()))
	if _, err := w.db.Record(w.soon(), id); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("it is still there: %v", err)
	}
}

// Data that can be reached is deleted, not left behind by a slip.
func TestATenantThatCanBeDeletedIsNotForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r := w.add("acme")
	for _, state := range []registry.Status{registry.StatusActive, registry.StatusRetired} {
		_, err := w.db.Update(w.soon(), r.ID, 0, func(r *control.Record) error { r.State = state; return nil })
		must(t, err)
		if _, err := w.operator.Forget(w.soon(), "test", r.ID, r.ID.String()); !errors.Is(err, lifecycle.ErrState) {
			t.Errorf("%s: %v", state, err)
		}
	}
}
