package lifecycle

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// stockEvery is how often the stock is counted without being told of a claim.
const stockEvery = 30 * time.Second

func (o *Operator) pokeStock() {
	select {
	case o.poke <- struct{}{}:
	default: // it was told already
	}
}

// Stock keeps Config.Spares spare tenants ready, until ctx ends or the Operator
// is closed.
func (o *Operator) Stock(ctx context.Context) {
	if o.deps.Config.Spares == 0 {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(o.lifetime, cancel)() //nolint:contextcheck // it ends with both
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

// restock makes the spares that are missing, finishes those that were cut
// short, and drops those that no plan fits any more. One that fails does not
// keep the others from it.
func (o *Operator) restock(ctx context.Context) error {
	err := o.locked(ctx, registry.MustParseID(stockKeeper), "spares", func(ctx context.Context) error {
		spares, err := o.db.Spares(ctx)
		if err != nil {
			return err
		}
		fitting, failed := o.mend(ctx, spares)
		on := map[string]int{}
		for _, s := range spares {
			on[s.Tenant.Cluster]++
		}
		for ; fitting < o.deps.Config.Spares && ctx.Err() == nil; fitting++ {
			if err := o.makeSpare(ctx, on); err != nil {
				return errors.Join(failed, err)
			}
		}
		return failed
	})
	if busy := (*control.BusyError)(nil); errors.As(err, &busy) {
		return nil // another process is at it
	}
	return err
}

// mend brings the spares that are there in order, and counts those that do.
func (o *Operator) mend(ctx context.Context, spares []control.Spare) (fitting int, err error) {
	for _, s := range spares {
		if _, known := o.deps.Clusters[s.Tenant.Cluster]; !known {
			continue // it is there when the cluster is
		}
		switch {
		case !o.stocked(s):
			err = errors.Join(err, o.withdraw(ctx, s))
			continue
		case !s.Ready:
			err = errors.Join(err, o.finishSpare(ctx, s))
		case s.Migrated < o.deps.Provisioner.Latest(&s.Tenant):
			err = errors.Join(err, o.bringUp(ctx, s))
		}
		fitting++
	}
	return fitting, err
}

// stocked reports whether a spare is what the configuration asks for: the plan
// may be another by now, or say something else.
func (o *Operator) stocked(s control.Spare) bool {
	plan, err := o.plan(o.deps.Config.SparePlan)
	if err != nil {
		return true // makeSpare says so
	}
	t := s.Tenant
	return s.Plan == o.deps.Config.SparePlan && t.Isolation == cmp.Or(plan.Isolation, registry.IsolationSchema) &&
		t.DDL == plan.DDL && (plan.Cluster == "" || plan.Cluster == t.Cluster)
}

// withdraw drops a spare that nobody has taken meanwhile.
func (o *Operator) withdraw(ctx context.Context, s control.Spare) error {
	ours, err := o.db.WithdrawSpare(ctx, s.ID)
	if err != nil || !ours {
		return err
	}
	o.log.InfoContext(ctx, "a spare tenant is of no use any more", "spare", s.ID.String(), "plan", s.Plan)
	return o.throwAway(ctx, &s)
}

// bringUp migrates a spare that is behind, so that whoever claims it need not
// wait for that. Nobody can take it meanwhile.
func (o *Operator) bringUp(ctx context.Context, s control.Spare) error {
	ours, err := o.db.WithdrawSpare(ctx, s.ID)
	if err != nil || !ours {
		return err
	}
	return o.finishSpare(ctx, s)
}

// makeSpare makes one where the next tenants will be placed; on is how many
// there are on each cluster.
func (o *Operator) makeSpare(ctx context.Context, on map[string]int) error {
	id, err := registry.ParseID("spare-" + strings.ToLower(rand.Text()[:12]))
	if err != nil {
		return err
	}
	wanted := registry.Tenant{ID: id, Plan: o.deps.Config.SparePlan}
	plan, err := o.plan(wanted.Plan)
	if err == nil && plan.Cluster == "" {
		wanted.Cluster, err = o.place(ctx, on)
	}
	if err != nil {
		return err
	}
	r, err := o.record(ctx, Spec{Tenant: wanted})
	if err != nil {
		return err
	}
	on[r.Cluster]++
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
