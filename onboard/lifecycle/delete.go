package lifecycle

import (
	"context"
	"encoding/json"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// Delete drops the data of a retired tenant, or of one that never became real,
// and then its record, and with it the tenant's API keys. confirm is the id,
// typed again. A deletion that has begun can only be finished. A tenant whose
// cluster is not in the configuration is refused; see [Operator.Forget]. The
// operation's result is a [DeleteResult]. Errors: ErrConfirm, ErrState,
// ErrDeclared.
func (o *Operator) Delete(ctx context.Context, by Actor, id registry.ID, confirm string, export bool) (control.Operation, error) {
	if confirm != id.String() {
		return control.Operation{}, refuse(ErrConfirm, "confirm must be the id, %s", id)
	}
	r, err := o.db.Update(ctx, id, 0, func(r *control.Record) error {
		export = export && !r.Deleting && r.State != registry.StatusPending
		return o.droppable(r)
	})
	if err != nil {
		o.audit(ctx, by, "tenant.delete", id, nil, err)
		return control.Operation{}, err
	}
	op := control.Operation{Kind: "delete", Tenant: id, Actor: string(by)}
	return o.begin(ctx, op, func(ctx context.Context, j *job) error {
		err := o.locked(ctx, id, "delete", func(ctx context.Context) error { return o.remove(ctx, j, r, export) })
		o.audit(ctx, by, "tenant.delete", id, map[string]string{"schema": r.Schema, "database": r.Database, "cluster": r.Cluster}, err)
		return err
	})
}

// droppable is deletable, where the data can be reached.
func (o *Operator) droppable(r *control.Record) error {
	if err := deletable(r); err != nil {
		return err
	}
	return o.within(r)
}

func deletable(r *control.Record) error {
	switch {
	case r.Declared != "":
		return refuse(ErrDeclared, "take %s out of the file and apply it first", r.ID)
	case r.Deleting, r.State == registry.StatusRetired, r.State == registry.StatusPending:
		return nil
	}
	return refuse(ErrState, "%s is %s; retire it first", r.ID, r.State)
}

// remove drops what the tenant has. From the mark on there is no way back, and
// the record goes last.
func (o *Operator) remove(ctx context.Context, j *job, r *control.Record, export bool) error {
	if export {
		if err := o.export(ctx, j, r); err != nil {
			return err
		}
	}
	if err := o.tellKeys(ctx, j, r.ID); err != nil {
		return err
	}
	j.step("mark of the deletion")
	if err := o.mark(ctx, r, o.droppable); err != nil {
		return err
	}
	if r.DSN.IsZero() {
		if err := o.deps.Provisioner.Drop(ctx, &r.Tenant); err != nil {
			return err
		}
		if err := o.dropClaimed(ctx, r); err != nil {
			return err
		}
	}
	j.step("record")
	return o.db.Remove(ctx, r.ID) // who keeps something of the tenant's is told by the source
}

// mark begins what cannot be undone, if that may be, and tells the replicas.
func (o *Operator) mark(ctx context.Context, r *control.Record, may func(*control.Record) error) error {
	asked := r.CreatedAt
	marked, err := o.db.Update(ctx, r.ID, 0, func(r *control.Record) error {
		if !r.CreatedAt.Equal(asked) {
			return refuse(ErrState, "%s is another tenant by now; the one that was to be deleted is gone", r.ID)
		}
		if err := may(r); err != nil {
			return err
		}
		r.Deleting = true
		if r.State != registry.StatusPending { // Drop passes over what is in the way of a tenant that never became real
			r.State = registry.StatusRetired
		}
		return nil
	})
	if err == nil {
		o.awaitReplicas(ctx, marked)
	}
	return err
}

// DeleteResult is the result of a deletion.
type DeleteResult struct {
	ExportResult     // when there was an export
	Keys         int `json:"api_keys"` // how many went with the tenant
}

// tellKeys puts the keys into the result, beside the export.
func (o *Operator) tellKeys(ctx context.Context, j *job, id registry.ID) (err error) {
	result := DeleteResult{}
	if export := j.snapshot().Result; len(export) > 0 {
		if err := json.Unmarshal(export, &result.ExportResult); err != nil {
			return err
		}
	}
	if result.Keys, err = o.countKeys(ctx, id); err == nil {
		j.result(result)
	}
	return err
}

// dropClaimed drops the spare that a tenant had taken but not got when its
// making was cut short.
func (o *Operator) dropClaimed(ctx context.Context, r *control.Record) error {
	spare, err := o.db.TakenSpare(ctx, r.ID)
	if err != nil || spare == nil {
		return err
	}
	return o.throwAway(ctx, spare)
}
