package lifecycle

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// stockEvery is how often the stock is counted without being told of a claim.
const stockEvery = 30 * time.Second

// claim gives the tenant a spare's place, when one fits and is there. A claim
// that was cut short is finished by the next.
func (o *Operator) claim(ctx context.Context, j *job, r *control.Record) (bool, error) {
	if o.deps.Config.Spares == 0 || !r.DSN.IsZero() || r.Isolation == registry.IsolationRow || !o.fits(r) {
		return false, nil
	}
	j.step("spare")
	spare, err := o.db.TakeSpare(ctx, r.ID, o.deps.Config.SparePlan, r.Cluster, r.Isolation)
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

func (o *Operator) pokeStock() {
	select {
	case o.poke <- struct{}{}:
	default: // it was told already
	}
}

// Stock keeps Config.Spares spare tenants ready, until ctx ends.
func (o *Operator) Stock(ctx context.Context) {
	if o.deps.Config.Spares == 0 {
		return
	}
	ticker := time.NewTicker(stockEvery)
	defer ticker.Stop()
	for {
		if err := o.restock(ctx); err != nil && ctx.Err() == nil {
			o.log.WarnContext(ctx, "the stock of spare tenants is short", "error", err)
		}
		select {
		case <-ticker.C:
		case <-o.poke:
		case <-ctx.Done():
			return
		}
	}
}

// stockKeeper is the lock of whoever makes spares: one process at a time. It
// is no tenant's id, whose labels begin with no such word by chance only.
const stockKeeper = "poolkeeper-stock-of-spares"

// restock makes the spares that are missing, and finishes those that were cut
// short.
func (o *Operator) restock(ctx context.Context) error {
	err := o.locked(ctx, registry.MustParseID(stockKeeper), "spares", func(ctx context.Context) error {
		spares, err := o.db.Spares(ctx)
		if err != nil {
			return err
		}
		for _, s := range spares {
			if !s.Ready {
				if err := o.finishSpare(ctx, s); err != nil {
					return err
				}
			}
		}
		for n := len(spares); n < o.deps.Config.Spares; n++ {
			if err := o.makeSpare(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if busy := (*control.BusyError)(nil); errors.As(err, &busy) {
		return nil // another process is at it
	}
	return err
}

func (o *Operator) makeSpare(ctx context.Context) error {
	id, err := registry.ParseID("spare-" + strings.ToLower(rand.Text()[:12]))
	if err != nil {
		return err
	}
	r, err := o.record(ctx, Spec{Tenant: registry.Tenant{ID: id, Plan: o.deps.Config.SparePlan}})
	if err != nil {
		return err
	}
	s := control.Spare{ID: id, Plan: o.deps.Config.SparePlan, Tenant: r.Tenant}
	if err := o.db.AddSpare(ctx, s); err != nil {
		return err
	}
	return o.finishSpare(ctx, s)
}

func (o *Operator) finishSpare(ctx context.Context, s control.Spare) error {
	if err := o.deps.Provisioner.Provision(ctx, &s.Tenant); err != nil {
		return err
	}
	return o.db.SpareReady(ctx, s.ID, o.deps.Provisioner.Latest(&s.Tenant))
}
