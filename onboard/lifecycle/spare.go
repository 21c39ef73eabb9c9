package lifecycle

import (
	"context"
	"errors"
	"fmt"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// claim gives the tenant a spare's place, when one fits and is there. A claim
// that was cut short is finished by the next.
func (o *Operator) claim(ctx context.Context, j *job, r *control.Record) (bool, error) {
	if !r.DSN.IsZero() || r.Isolation == registry.IsolationRow {
		return false, nil
	}
	spare, err := o.db.TakenSpare(ctx, r.ID) // whatever the configuration says by now
	if err == nil && spare == nil && o.deps.Config.Spares > 0 && o.fits(r) {
		j.step("spare")
		spare, err = o.db.TakeSpare(ctx, r.ID, o.deps.Config.SparePlan, r.Cluster, r.Isolation)
	}
	if err != nil || spare == nil {
		return false, err
	}
	defer o.pokeStock()
	j.step("claim of the spare")
	err = o.deps.Provisioner.Claim(ctx, &spare.Tenant, &r.Tenant)
	if errors.Is(err, onboard.ErrSpare) || errors.Is(err, onboard.ErrConflict) {
		o.log.WarnContext(ctx, "a spare could not be claimed; the tenant is made without one", "tenant", r.ID.String(), "spare", spare.ID.String(), "error", err)
		return false, o.throwAway(ctx, spare)
	}
	if err != nil {
		return false, err
	}
	if spare.Migrated < o.deps.Provisioner.Latest(&r.Tenant) {
		if err := o.deps.Provisioner.Provision(ctx, &r.Tenant); err != nil {
			return false, err
		}
	}
	return true, o.db.DropSpare(ctx, spare.ID)
}

// throwAway drops a spare that nobody can use.
func (o *Operator) throwAway(ctx context.Context, spare *control.Spare) error {
	if err := o.deps.Provisioner.Drop(ctx, &spare.Tenant); err != nil {
		return fmt.Errorf("dropping the spare %s: %w", spare.ID, err)
	}
	return o.db.DropSpare(ctx, spare.ID)
}

// fits reports whether the spares are what the tenant wants.
func (o *Operator) fits(r *control.Record) bool {
	plan, err := o.plan(o.deps.Config.SparePlan)
	if err != nil {
		return false
	}
	isolation := plan.Isolation
	if isolation == "" {
		isolation = registry.IsolationSchema
	}
	schemaDatabase := r.Isolation == registry.IsolationDatabase || r.Database == ""
	ownSchema := r.Isolation == registry.IsolationSchema || r.Schema == ""
	return r.Isolation == isolation && r.DDL == plan.DDL && schemaDatabase && ownSchema && (plan.Cluster == "" || plan.Cluster == r.Cluster)
}
