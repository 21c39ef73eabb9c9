package lifecycle

import (
	"context"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// Forget removes the record of a tenant that could be deleted, but for its
// cluster, which is not in the configuration any more; with the record go its
// API keys. Its data and its logins stay where they are. confirm is the id,
// typed again. The operation is one of kind delete, with a [DeleteResult].
// Errors: ErrConfirm, ErrState, ErrDeclared.
func (o *Operator) Forget(ctx context.Context, by Actor, id registry.ID, confirm string) (control.Operation, error) {
	if confirm != id.String() {
		return control.Operation{}, refuse(ErrConfirm, "confirm must be the id, %s", id)
	}
	r, err := o.db.Record(ctx, id)
	if err == nil {
		err = o.forgettable(r)
	}
	if err != nil {
		o.audit(ctx, by, "tenant.forget", id, nil, err)
		return control.Operation{}, err
	}
	op := control.Operation{Kind: "delete", Tenant: id, Actor: string(by)}
	return o.begin(ctx, op, func(ctx context.Context, j *job) error {
		err := o.locked(ctx, id, "delete", func(ctx context.Context) error { return o.forget(ctx, j, r) })
		o.audit(ctx, by, "tenant.forget", id, map[string]string{"schema": r.Schema, "database": r.Database, "cluster": r.Cluster}, err)
		return err
	})
}

// forgettable: what can be reached is deleted instead, so that no data is left
// behind by a slip.
func (o *Operator) forgettable(r *control.Record) error {
	if err := deletable(r); err != nil {
		return err
	}
	if err := o.within(r); err == nil {
		return refuse(ErrState, "%s lies on the cluster %s, which is configured, or has a connection string of its own; delete it", r.ID, r.Cluster)
	}
	return nil
}

// within refuses a tenant whose data nobody here can reach.
func (o *Operator) within(r *control.Record) error {
	if _, ok := o.deps.Clusters[r.Cluster]; ok || !r.DSN.IsZero() {
		return nil
	}
	return refuse(ErrState, "%s lies on the cluster %s, which is not in the configuration; nothing was done to it. Put clusters.%s back, "+
		"or forget its record, which leaves the data where it is: poolkeeper tenant delete %s --forget", r.ID, r.Cluster, r.Cluster, r.ID)
}

func (o *Operator) forget(ctx context.Context, j *job, r *control.Record) error {
	if err := o.tellKeys(ctx, j, r.ID); err != nil {
		return err
	}
	j.step("mark of the deletion")
	if err := o.mark(ctx, r, o.forgettable); err != nil {
		return err
	}
	spare, err := o.db.TakenSpare(ctx, r.ID) // lies there too
	if err == nil && spare != nil {
		err = o.db.DropSpare(ctx, spare.ID)
	}
	if err != nil {
		return err
	}
	j.step("record")
	return o.db.Remove(ctx, r.ID)
}
