package lifecycle

import (
	"context"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// appliedWithin is how long Suspend waits for the replicas to say that they
// have heard of it.
const appliedWithin = 2 * time.Second

// Suspend has the tenant refused from now on. It returns when every replica
// that is alive has been told, or after two seconds; a replica that cannot be
// told follows within its poll interval. Suspending twice is no error. Errors:
// control.ErrStale, ErrState.
func (o *Operator) Suspend(ctx context.Context, by Actor, id registry.ID, version uint64, reason string) (*control.Record, error) {
	r, err := o.db.Update(ctx, id, version, func(r *control.Record) error {
		if r.State == registry.StatusPending || r.State == registry.StatusRetired {
			return refuse(ErrState, "%s is %s, and so not served", id, r.State)
		}
		r.State, r.Reason = registry.StatusSuspended, clip(reason)
		return nil
	})
	if err == nil {
		o.awaitReplicas(ctx, r)
	}
	o.audit(ctx, by, "tenant.suspend", id, map[string]string{"reason": reason}, err)
	return r, err
}

// awaitReplicas gives the other processes a moment to follow.
func (o *Operator) awaitReplicas(ctx context.Context, r *control.Record) {
	ctx, cancel := context.WithTimeout(ctx, appliedWithin)
	defer cancel()
	if err := o.db.Applied(ctx, r.Version); err != nil {
		o.log.WarnContext(ctx, "not every replica has said that it follows", "tenant", r.ID.String(), "version", r.Version, "error", err)
	}
}

// Resume has a suspended tenant served again; when its data is behind the
// migrations, it is migrated first. Resuming twice is no error. Errors:
// control.ErrStale, ErrState, ErrDeclared.
func (o *Operator) Resume(ctx context.Context, by Actor, id registry.ID, version uint64) (*control.Record, error) {
	var resumed *control.Record
	err := o.locked(ctx, id, "resume", func(ctx context.Context) error {
		r, err := o.db.Record(ctx, id)
		if err == nil {
			err = resumable(r)
		}
		if err == nil {
			err = o.catchUp(ctx, r)
		}
		if err != nil {
			return err
		}
		resumed, err = o.db.Update(ctx, id, version, func(r *control.Record) error {
			if err := resumable(r); err != nil {
				return err
			}
			r.State, r.Reason = registry.StatusActive, ""
			return nil
		})
		return err
	})
	if err == nil {
		o.awaitReplicas(ctx, resumed)
	}
	o.audit(ctx, by, "tenant.resume", id, nil, err)
	return resumed, err
}

func resumable(r *control.Record) error {
	switch {
	case r.State == registry.StatusPending:
		return refuse(ErrState, "%s is pending: %s; provision it", r.ID, r.Reason)
	case r.State == registry.StatusRetired:
		return refuse(ErrState, "%s is retired", r.ID)
	case r.Declared != "" && r.Declared != registry.StatusActive:
		return refuse(ErrDeclared, "%s is %s there; change it there and apply it", r.ID, r.Declared)
	}
	return nil
}

// Retire suspends the tenant, writes an export unless told not to, and marks
// it as gone for good; its data stays until it is deleted. Errors:
// control.ErrStale, ErrState, ErrDeclared.
func (o *Operator) Retire(ctx context.Context, by Actor, id registry.ID, version uint64, export bool) (control.Operation, error) {
	r, err := o.db.Update(ctx, id, version, func(r *control.Record) error {
		if r.Declared != "" && r.Declared != registry.StatusRetired {
			return refuse(ErrDeclared, "take %s out of the file first, or declare it retired", id)
		}
		if r.State == registry.StatusPending || r.State == registry.StatusRetired {
			export = false // there is nothing yet, or it was asked for before
			r.State = registry.StatusRetired
			return nil
		}
		r.State, r.Reason = registry.StatusSuspended, "being retired"
		return nil
	})
	if err != nil {
		o.audit(ctx, by, "tenant.retire", id, nil, err)
		return control.Operation{}, err
	}
	op := control.Operation{Kind: "retire", Tenant: id, Actor: string(by)}
	return o.begin(ctx, op, func(ctx context.Context, j *job) error {
		o.awaitReplicas(ctx, r)
		err := o.locked(ctx, id, "retire", func(ctx context.Context) error { return o.retire(ctx, j, r, export) })
		o.audit(ctx, by, "tenant.retire", id, nil, err)
		return err
	})
}

func (o *Operator) retire(ctx context.Context, j *job, r *control.Record, export bool) error {
	if export {
		if err := o.export(ctx, j, r); err != nil {
			return err
		}
	}
	j.step("record")
	_, err := o.db.Update(ctx, r.ID, 0, func(r *control.Record) error {
		r.State, r.Reason = registry.StatusRetired, ""
		return nil
	})
	return err
}
