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
		if r.Reason == gone {
			r.Reason += ", says " + string(by) // else the file would lift it
		}
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
		asked := *r
		resumed, err = o.db.Update(ctx, id, version, func(r *control.Record) error {
			if err := resumable(r); err != nil {
				return err
			}
			if r.State == registry.StatusSuspended && (asked.State != r.State || asked.Reason != r.Reason) {
				return refuse(ErrState, "%s was suspended meanwhile: %s", id, r.Reason)
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
