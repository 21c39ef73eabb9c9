package lifecycle

import (
	"cmp"
	"context"
	"errors"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// Clone makes a new tenant with the structure of another, and with its rows
// when data is set. What the spec leaves out is the other's: plan, cluster,
// isolation, limits. Copying a database disconnects whoever uses it, for as
// long as it takes. Errors: those of Add, and ErrState.
func (o *Operator) Clone(ctx context.Context, by Actor, from registry.ID, to Spec, data bool) (control.Operation, error) {
	source, err := o.db.Record(ctx, from)
	switch {
	case err != nil:
		return control.Operation{}, err
	case source.State == registry.StatusPending || source.Deleting:
		return control.Operation{}, refuse(ErrState, "%s has no data that is whole", from)
	case !source.DSN.IsZero():
		return control.Operation{}, refuse(ErrInput, "%s has a connection string of its own; its data is not ours to copy", from)
	}
	r, err := o.record(ctx, alike(to, source))
	if err != nil {
		return control.Operation{}, err
	}
	if data {
		r.ClonedFrom = from
	}
	if r, err = o.db.Create(ctx, r); err != nil {
		return control.Operation{}, err
	}
	return o.beginProvision(ctx, by, "clone", r.ID)
}

// alike completes a spec with what the source has.
func alike(to Spec, source *control.Record) Spec {
	t := &to.Tenant
	t.Plan = cmp.Or(t.Plan, source.Plan)
	t.Cluster = cmp.Or(t.Cluster, source.Cluster)
	t.Isolation = cmp.Or(t.Isolation, source.Isolation)
	if t.Isolation != registry.IsolationDatabase {
		t.Database = cmp.Or(t.Database, source.Database)
	}
	if t.Isolation == registry.IsolationRow {
		t.Schema = cmp.Or(t.Schema, source.Schema)
		if t.Login == "" {
			t.Login, t.Password = source.Login, source.Password
		}
	}
	if t.Limits == (registry.Limits{}) {
		t.Limits = source.Own
	}
	if to.DDL == nil {
		to.DDL = &source.DDL
	}
	return to
}

// copyPlace makes the place of r as a copy of another tenant's. Both are
// locked: a migration of the source in between would be half in the copy. Many
// may want a copy of one at once, so they take turns.
func (o *Operator) copyPlace(ctx context.Context, j *job, from registry.ID, r *control.Record) error {
	j.step("turn of the source")
	return o.lockedInTurn(ctx, from, "clone", func(ctx context.Context) error {
		source, err := o.db.Record(ctx, from)
		if err == nil || errors.Is(err, control.ErrUnknown) {
			err = copyable(source, from, r)
		}
		if err != nil {
			return err
		}
		if err := o.catchUp(ctx, source); err != nil {
			return err
		}
		j.step("copy")
		return o.deps.Provisioner.Clone(ctx, &source.Tenant, &r.Tenant, true)
	})
}

// copyable reports what is wrong with the source, nil for one that is gone, of
// a copy that is made now, which may be long after it was asked for.
func copyable(source *control.Record, from registry.ID, to *control.Record) error {
	switch {
	case source == nil:
		return refuse(ErrState, "%s, whose data it is to get, is gone; delete %s and add it anew", from, to.ID)
	case source.State == registry.StatusPending || source.Deleting:
		return refuse(ErrState, "%s has no data that is whole", from)
	case to.ClonedFrom == from && source.CreatedAt.After(to.CreatedAt):
		return refuse(ErrState, "%s is not the tenant any more whose data it was to get; delete %s and add it anew", from, to.ID)
	}
	return nil
}

// template returns the tenant that new ones of this isolation and cluster are
// copied from, if there is one. Who wants a copy and cannot have it must not
// get an empty place instead, but the template itself has to come first.
func (o *Operator) template(ctx context.Context, r *control.Record) (from registry.ID, wanted bool, err error) {
	if o.deps.Config.Template == "" || !r.DSN.IsZero() || r.Isolation == registry.IsolationRow {
		return registry.ID{}, false, nil
	}
	id, err := registry.ParseID(o.deps.Config.Template)
	if err != nil || id == r.ID {
		return registry.ID{}, false, err
	}
	t, err := o.db.Record(ctx, id)
	if errors.Is(err, control.ErrUnknown) {
		return id, false, refuse(ErrState, "onboard.template names %s, which is no tenant; add it first, or leave the setting out", id)
	}
	if err != nil {
		return id, false, err
	}
	return id, t.Isolation == r.Isolation && t.Cluster == r.Cluster, nil
}
