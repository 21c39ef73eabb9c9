package lifecycle

import (
	"context"
	"strings"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// Add makes a new tenant. Its record is there, as pending, when Add returns;
// the rest is the operation. Errors: ErrInput, control.ErrExists,
// control.ErrTaken, registry.Problems.
func (o *Operator) Add(ctx context.Context, by Actor, s Spec) (control.Operation, error) {
	r, err := o.record(ctx, s)
	if err != nil {
		return control.Operation{}, err
	}
	r, err = o.db.Create(ctx, r)
	if err != nil {
		return control.Operation{}, err
	}
	return o.beginProvision(ctx, by, "add", r.ID)
}

// Provision makes real what the tenant's record says, again or for the first
// time: it finishes what was cut short and mends what somebody changed by
// hand. A pending tenant becomes active.
func (o *Operator) Provision(ctx context.Context, by Actor, id registry.ID) (control.Operation, error) {
	r, err := o.db.Record(ctx, id)
	if err == nil {
		err = provisionable(r)
	}
	if err != nil {
		return control.Operation{}, err
	}
	return o.beginProvision(ctx, by, "provision", id)
}

func provisionable(r *control.Record) error {
	if r.Deleting || r.State == registry.StatusRetired {
		return refuse(ErrState, "%s is retired", r.ID)
	}
	return nil
}

// beginProvision begins the operation that makes a tenant real.
func (o *Operator) beginProvision(ctx context.Context, by Actor, kind string, id registry.ID) (control.Operation, error) {
	op := control.Operation{Kind: kind, Tenant: id, Actor: string(by)}
	return o.begin(ctx, op, func(ctx context.Context, j *job) error {
		err := o.locked(ctx, id, kind, func(ctx context.Context) error { return o.makeReal(ctx, j, id) })
		o.audit(ctx, by, "tenant."+kind, id, nil, err)
		return err
	})
}

// makeReal provisions the tenant and then lets it be served. What went wrong
// is written into its record.
func (o *Operator) makeReal(ctx context.Context, j *job, id registry.ID) (err error) {
	defer func() { o.deps.Observer.Onboarded(err) }()
	r, err := o.db.Record(ctx, id)
	if err == nil {
		err = provisionable(r)
	}
	if err != nil {
		return err
	}
	if r.State == registry.StatusPending && !r.ClonedFrom.IsZero() {
		err = o.copyPlace(ctx, j, r.ClonedFrom, r)
	} else {
		err = o.makePlace(ctx, j, r)
	}
	if err != nil {
		o.noteReason(ctx, r, err)
		return err
	}
	return o.activate(ctx, j, r)
}

// makePlace takes the shortest way that there is: a spare, the template, or
// all the steps.
func (o *Operator) makePlace(ctx context.Context, j *job, r *control.Record) error {
	if r.State == registry.StatusPending {
		claimed, err := o.claim(ctx, j, r)
		if err != nil || claimed {
			return err
		}
		template, wanted, err := o.template(ctx, r)
		if err != nil {
			return err
		}
		if wanted {
			return o.copyPlace(ctx, j, template, r)
		}
	}
	return o.deps.Provisioner.Provision(ctx, &r.Tenant)
}

// activate registers the tenant last, after everything works.
func (o *Operator) activate(ctx context.Context, j *job, r *control.Record) error {
	j.step("mirror of the migrations")
	if err := o.db.SetMigrated(ctx, r.ID, o.deps.Provisioner.Latest(&r.Tenant), ""); err != nil {
		return err
	}
	j.step("record")
	active, err := o.db.Update(ctx, r.ID, 0, func(r *control.Record) error {
		if r.State == registry.StatusPending {
			r.State, r.Reason, r.ClonedFrom = registry.StatusActive, "", registry.ID{}
		}
		return nil
	})
	if err == nil {
		o.awaitReplicas(ctx, active) // who is told that it is there should find it there
	}
	return err
}

// noteReason says in the record why the tenant is pending.
func (o *Operator) noteReason(ctx context.Context, r *control.Record, why error) {
	if r.State != registry.StatusPending {
		return
	}
	if ctx.Err() != nil {
		why = context.Cause(ctx) // what was cut says so in many ways
	}
	writing, cancel := afterwards(ctx)
	defer cancel()
	_, err := o.db.Update(writing, r.ID, 0, func(r *control.Record) error {
		if r.State == registry.StatusPending { // else somebody else has finished it, or given it up
			r.Reason = clip(why.Error())
		}
		return nil
	})
	if err != nil {
		o.log.ErrorContext(ctx, "why a tenant is pending could not be written", "tenant", r.ID.String(), "error", err)
	}
}

// clip keeps a record readable.
func clip(text string) string { return clipTo(2000, text) }

func clipTo(most int, text string) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
