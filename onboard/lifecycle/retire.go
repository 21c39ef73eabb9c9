package lifecycle

import (
	"context"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// beingRetired is the reason of a tenant that is on its way out.
const beingRetired = "being retired"

// Retire suspends the tenant, writes an export unless told not to, and marks
// it as gone for good; its data stays until it is deleted. When that fails the
// tenant stays suspended and says why: retire it again, or resume it. Errors:
// control.ErrStale, ErrState, ErrDeclared.
func (o *Operator) Retire(ctx context.Context, by Actor, id registry.ID, version uint64, export bool) (control.Operation, error) {
	r, whole, err := o.takeOut(ctx, id, version)
	if err != nil {
		o.audit(ctx, by, "tenant.retire", id, nil, err)
		return control.Operation{}, err
	}
	op := control.Operation{Kind: "retire", Tenant: id, Actor: string(by)}
	return o.begin(ctx, op, func(ctx context.Context, j *job) error {
		o.awaitReplicas(ctx, r)
		err := o.locked(ctx, id, "retire", func(ctx context.Context) error { return o.retire(ctx, j, id, export && whole) })
		if err != nil {
			o.noteNotRetired(ctx, id, err)
		}
		o.audit(ctx, by, "tenant.retire", id, nil, err)
		return err
	})
}

// takeOut ends the service of a tenant that is to be retired. whole says that
// it has data which an export makes sense of.
func (o *Operator) takeOut(ctx context.Context, id registry.ID, version uint64) (r *control.Record, whole bool, err error) {
	r, err = o.db.Update(ctx, id, version, func(r *control.Record) error {
		if r.Declared != "" && r.Declared != registry.StatusRetired {
			return refuse(ErrDeclared, "take %s out of the file first, or declare it retired", id)
		}
		if r.State == registry.StatusPending || r.State == registry.StatusRetired {
			r.State = registry.StatusRetired // there is nothing yet, or it was asked for before
			return nil
		}
		whole = true
		r.State, r.Reason = registry.StatusSuspended, beingRetired
		return nil
	})
	return r, whole, err
}

// retire goes on under the tenant's lock. Until that was taken the tenant may
// have been resumed.
func (o *Operator) retire(ctx context.Context, j *job, id registry.ID, export bool) error {
	r, whole, err := o.takeOut(ctx, id, 0)
	if err != nil {
		return err
	}
	if export && whole {
		if err := o.export(ctx, j, r); err != nil {
			return err
		}
	}
	j.step("record")
	_, err = o.db.Update(ctx, id, 0, func(r *control.Record) error {
		r.State, r.Reason = registry.StatusRetired, ""
		return nil
	})
	return err
}

// noteNotRetired says in the record why the tenant is suspended and no more.
func (o *Operator) noteNotRetired(ctx context.Context, id registry.ID, why error) {
	writing, cancel := afterwards(ctx)
	defer cancel()
	_, err := o.db.Update(writing, id, 0, func(r *control.Record) error {
		if r.State == registry.StatusSuspended && r.Reason == beingRetired {
			r.Reason = clip("was to be retired; retire it again, or resume it: " + why.Error())
		}
		return nil
	})
	if err != nil {
		o.log.ErrorContext(ctx, "why a tenant is not retired could not be written", "tenant", id.String(), "error", err)
	}
}
