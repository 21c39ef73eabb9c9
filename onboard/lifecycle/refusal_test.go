package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// The states that a tenant may be in, as changes of one that is active.
const (
	pending   = "pending"
	suspended = "suspended"
	retired   = "retired"
	deleting  = "deleting"
	declared  = "declared"
	declaredS = "declared suspended"
	foreign   = "foreign"
	sharing   = "sharing"
)

func (w *world) tenantsInEachState() {
	w.Helper()
	for name, change := range map[string]func(*control.Record){
		pending:   func(r *control.Record) { r.State, r.Reason = registry.StatusPending, "it broke" },
		suspended: func(r *control.Record) { r.State = registry.StatusSuspended },
		retired:   func(r *control.Record) { r.State = registry.StatusRetired },
		deleting:  func(r *control.Record) { r.State, r.Deleting = registry.StatusRetired, true },
		declared:  func(r *control.Record) { r.Declared = registry.StatusActive },
		declaredS: func(r *control.Record) { r.Declared = registry.StatusSuspended },
		foreign: func(r *control.Record) {
			r.DSN, r.Login, r.Password = registry.NewSecret(pgtest.Shared().DSN("own", "own", "hush")), "", registry.Secret{}
		},
		sharing: func(r *control.Record) { r.Login, r.Password = "", registry.Secret{} },
	} {
		r := &control.Record{State: registry.StatusActive, Tenant: registry.Tenant{
			ID: w.tenant(name), Cluster: "main", Isolation: registry.IsolationSchema,
			Schema: w.tenant(name).String(), Login: w.tenant(name).String(), Password: registry.NewSecret("hush"),
		}}
		change(r)
		_, err := w.db.Create(w.soon(), r)
		must(w, err)
	}
}

// tenant is the one in a state.
func (w *world) tenant(state string) registry.ID { return w.id(strings.ReplaceAll(state, " ", "-")) }

// orders are what an operator asks for.
func (w *world) orders() map[string]func(context.Context, registry.ID) error {
	o := w.operator
	began := func(_ control.Operation, err error) error { return err }
	return map[string]func(context.Context, registry.ID) error{
		"provision": func(ctx context.Context, id registry.ID) error { return began(o.Provision(ctx, "test", id)) },
		"suspend": func(ctx context.Context, id registry.ID) error {
			_, err := o.Suspend(ctx, "test", id, 0, "why")
			return err
		},
		"resume": func(ctx context.Context, id registry.ID) error {
			_, err := o.Resume(ctx, "test", id, 0)
			return err
		},
		"set": func(ctx context.Context, id registry.ID) error {
			_, err := o.Set(ctx, "test", id, 0, lifecycle.Patch{Labels: map[string]*string{"a": new(string)}})
			return err
		},
		"rotate": func(ctx context.Context, id registry.ID) error { return began(o.Rotate(ctx, "test", id)) },
		"export": func(ctx context.Context, id registry.ID) error { return began(o.Export(ctx, "test", id)) },
		"retire": func(ctx context.Context, id registry.ID) error { return began(o.Retire(ctx, "test", id, 0, false)) },
		"delete": func(ctx context.Context, id registry.ID) error {
			return began(o.Delete(ctx, "test", id, id.String(), false))
		},
		"clone": func(ctx context.Context, id registry.ID) error {
			return began(o.Clone(ctx, "test", id, w.spec("copy"), true))
		},
		"reader": func(ctx context.Context, id registry.ID) error { return o.MakeReader(ctx, "test", id) },
		"reader's key": func(ctx context.Context, id registry.ID) error {
			_, _, err := o.CreateKey(ctx, "test", control.NewKey{Tenant: id, Scope: apikey.ScopeRead})
			return err
		},
		"migrate": func(ctx context.Context, id registry.ID) error {
			return began(o.Migrate(ctx, "test", lifecycle.MigrateRequest{Tenants: []registry.ID{id}}))
		},
		"canary": func(ctx context.Context, id registry.ID) error {
			return began(o.Migrate(ctx, "test", lifecycle.MigrateRequest{Canary: []registry.ID{id}}))
		},
	}
}

// What is refused, and as what. Each leaves the record as it is, and no
// operation that somebody would look for.
func TestAnOrderThatDoesNotFitTheStateIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.tenantsInEachState()
	state, undeclared, unsupported, input := lifecycle.ErrState, lifecycle.ErrDeclared, lifecycle.ErrUnsupported, lifecycle.ErrInput
	for order, refused := range map[string]map[string]error{
		"provision":    {retired: state, deleting: state},
		"suspend":      {pending: state, retired: state, deleting: state},
		"resume":       {pending: state, retired: state, deleting: state, declaredS: undeclared},
		"set":          {declared: undeclared, declaredS: undeclared},
		"rotate":       {pending: state, retired: state, deleting: state, foreign: input, sharing: input},
		"export":       {pending: state, deleting: state},
		"retire":       {declared: undeclared, declaredS: undeclared},
		"delete":       {suspended: state, declared: undeclared, declaredS: undeclared, foreign: state},
		"clone":        {pending: state, deleting: state, foreign: input},
		"reader":       {pending: state, retired: state, deleting: state, foreign: unsupported, sharing: unsupported},
		"reader's key": {pending: state, retired: state, deleting: state, foreign: unsupported, sharing: unsupported},
		"migrate":      {pending: state, retired: state, deleting: state},
		"canary":       {pending: state, retired: state, deleting: state},
	} {
		for name, want := range refused {
			id := w.tenant(name)
			before := w.version(id)
			if err := w.orders()[order](w.soon(), id); !errors.Is(err, want) || !strings.Contains(err.Error(), id.String()) {
				t.Errorf("%s of one that is %s: %v, want %q and its id", order, name, err, want)
			}
			if after := w.version(id); after != before {
				t.Errorf("%s of one that is %s has changed its record", order, name)
			}
		}
	}
	w.nothingBegan()
}

func (w *world) version(id registry.ID) uint64 {
	w.Helper()
	r, err := w.db.Record(w.soon(), id)
	must(w, err)
	return r.Version
}

func (w *world) nothingBegan() {
	w.Helper()
	ops, err := w.operator.Operations(w.soon(), registry.ID{}, "", "", 0)
	if err != nil || len(ops) != 0 {
		w.Errorf("there are operations: %+v, %v", ops, err)
	}
}

func TestNobodyIsOrderedAboutWhoIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for name, order := range w.orders() {
		if err := order(w.soon(), w.id("nobody")); !errors.Is(err, registry.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.nothingBegan()
}

func TestAnOrderOfAnOlderVersionIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r := w.add("acme")
	for name, order := range map[string]func() error{
		"suspend": func() error { _, err := w.operator.Suspend(w.soon(), "test", r.ID, r.Version-1, ""); return err },
		"resume":  func() error { _, err := w.operator.Resume(w.soon(), "test", r.ID, r.Version-1); return err },
		"retire":  func() error { _, err := w.operator.Retire(w.soon(), "test", r.ID, r.Version-1, false); return err },
		"set": func() error {
			_, err := w.operator.Set(w.soon(), "test", r.ID, r.Version-1, lifecycle.Patch{})
			return err
		},
	} {
		if err := order(); !errors.Is(err, control.ErrStale) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if now := w.record("acme"); now.Version != r.Version {
		t.Errorf("it has changed: %+v", now)
	}
}

func TestWhatCannotBeMeantIsRefusedByField(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.plans = map[string]registry.Plan{"gold": {}} })
	r := w.add("acme")
	nowhere, golden := w.spec("new"), w.spec("new")
	nowhere.Tenant.Cluster, golden.Tenant.Plan = "nowhere", "golden"
	migrate := func(r lifecycle.MigrateRequest) func() (control.Operation, error) {
		return func() (control.Operation, error) { return w.operator.Migrate(w.soon(), "test", r) }
	}
	added := w.done(w.operator.Provision(w.soon(), "test", r.ID))
	for name, c := range map[string]struct {
		begin func() (control.Operation, error)
		want  error
		says  string
	}{
		"a cluster that is none":   {func() (control.Operation, error) { return w.operator.Add(w.soon(), "test", nowhere) }, lifecycle.ErrInput, `cluster: "nowhere" is none of main`},
		"a plan that is none":      {func() (control.Operation, error) { return w.operator.Add(w.soon(), "test", golden) }, lifecycle.ErrInput, `plan: "golden" is no plan; there are gold`},
		"an id that is taken":      {func() (control.Operation, error) { return w.operator.Add(w.soon(), "test", w.spec("acme")) }, control.ErrExists, "acme"},
		"a deletion, mistyped":     {func() (control.Operation, error) { return w.operator.Delete(w.soon(), "test", r.ID, "acm", false) }, lifecycle.ErrConfirm, r.ID.String()},
		"down without a run":       {migrate(lifecycle.MigrateRequest{Down: true}), lifecycle.ErrInput, "run:"},
		"up with a run":            {migrate(lifecycle.MigrateRequest{Run: "0000000001"}), lifecycle.ErrInput, "run:"},
		"down of no such run":      {migrate(lifecycle.MigrateRequest{Down: true, Run: "x"}), control.ErrNoSuch, "x"},
		"down of what is no run":   {migrate(lifecycle.MigrateRequest{Down: true, Run: added.ID}), lifecycle.ErrInput, added.ID},
		"a canary that is nobody":  {migrate(lifecycle.MigrateRequest{Canary: []registry.ID{w.id("nobody")}}), registry.ErrUnknown, "nobody"},
		"an operation of nobody's": {func() (control.Operation, error) { return w.operator.Cancel(w.soon(), "test", "x") }, control.ErrNoSuch, "x"},
		"an operation that ended":  {func() (control.Operation, error) { return w.operator.Cancel(w.soon(), "test", added.ID) }, lifecycle.ErrCancel, "has ended"},
	} {
		if _, err := c.begin(); !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.operator.Set(w.soon(), "test", r.ID, 0, lifecycle.Patch{Plan: &golden.Tenant.Plan}); !errors.Is(err, lifecycle.ErrInput) {
		t.Errorf("a change to a plan that is none: %v", err)
	}
}

func TestWhoCannotCancelAnOperationIsToldWhoCan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	other, _ := w.process()
	op, err := other.Begin(w.soon(), control.Operation{Kind: "migrate"})
	must(t, err)
	_, err = w.operator.Cancel(w.soon(), "test", op.ID)
	if op.Replica == "" || !errors.Is(err, lifecycle.ErrCancel) || !strings.Contains(err.Error(), "the process "+op.Replica+" works on operation "+op.ID) {
		t.Errorf("%s works on it: %v", op.Replica, err)
	}
}
