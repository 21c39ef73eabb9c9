package lifecycle_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// What keeps a tenant from becoming real may be the password itself.
func TestATenantThatIsPendingForItsPasswordGetsTheOneThatTheFileHasByNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	file := func(password string) []registry.Document {
		text := fmt.Sprintf("tenants:\n  %s: {cluster: main, isolation: schema, login: %s_login, password: %q}\n", w.id("a"), w.prefix, password)
		return []registry.Document{{Path: "f.yaml", Data: []byte(text), Declares: true}}
	}
	if op := w.ended(w.operator.Apply(w.soon(), "test", file("pässword"))); op.Code != "partly_failed" {
		t.Fatalf("it ended as %s %s: %s", op.State, op.Code, op.Error)
	}
	w.done(w.operator.Apply(w.soon(), "test", file("password")))
	if r := w.record("a"); r.Status != registry.StatusActive || r.Password != registry.NewSecret("password") {
		t.Errorf("it is %s: %s", r.Status, r.Reason)
	}
	plan, err := w.operator.PlanApply(w.soon(), file("password"))
	if err != nil || len(plan.Changes) > 0 {
		t.Errorf("applied, there is left %+v, %v", plan, err)
	}
}

// A pending tenant has no data to clone, but it may have begun to have a place.
func TestWhatCannotChangeOfAPendingTenantIsRefusedWithAWayThatLeadsOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	conn, err := pgx.Connect(w.soon(), w.clusters["main"].Admin.Reveal())
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(w.soon()) })
	_, err = conn.Exec(w.soon(), "create schema taken")
	must(t, err)
	file := func(tenants string) []registry.Document {
		return []registry.Document{{Path: "f.yaml", Data: []byte("tenants:" + tenants + "\n"), Declares: true}}
	}
	declared := func(schema string) []registry.Document {
		return file(fmt.Sprintf("\n  %s: {cluster: main, isolation: schema, schema: %s}", w.id("a"), schema))
	}
	if op := w.ended(w.operator.Apply(w.soon(), "test", declared("taken"))); op.Code != "partly_failed" {
		t.Fatalf("it ended as %s %s: %s", op.State, op.Code, op.Error)
	}
	op := w.ended(w.operator.Apply(w.soon(), "test", declared("free")))
	if len(op.Failures) != 1 || !strings.Contains(op.Failures[0].Error, "take it out of the file, apply that, delete it and declare it anew") {
		t.Fatalf("another schema is refused with %+v", op.Failures)
	}
	w.done(w.operator.Apply(w.soon(), "test", file(" {}")))
	w.done(w.operator.Delete(w.soon(), "test", w.id("a"), w.id("a").String(), false))
	w.done(w.operator.Apply(w.soon(), "test", declared("free")))
	if r := w.record("a"); r.Status != registry.StatusActive || r.Schema != "free" {
		t.Errorf("it is %s with %s", r.Status, r.Schema)
	}
}
