package integration_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

func TestDeletingATenantThatNeverBecameRealLeavesTheSparesAlone(t *testing.T) {
	t.Parallel()
	p := newPlane(t, func(s *planeSetup) { s.Spares = 1 })
	stop := p.stock(t)
	eventually(t, "a spare", func() bool { return p.spares(t) == 1 })
	stop()
	id := p.id("never")
	_, err := p.db.Create(t.Context(), &control.Record{Tenant: registry.Tenant{
		ID: id, Cluster: "main", Isolation: registry.IsolationSchema, Schema: "never", Login: p.prefix + "_never", Password: registry.NewSecret("x"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	op, err := p.operator.Delete(t.Context(), "test", id, id.String(), false)
	p.done(t, op, err)
	if n := p.spares(t); n != 1 {
		t.Errorf("%d spares are left", n)
	}
}

func TestASpareThatWasTakenAndNotGotGoesWithItsTenant(t *testing.T) {
	t.Parallel()
	p := newPlane(t, func(s *planeSetup) { s.Spares = 1 })
	stop := p.stock(t)
	eventually(t, "a spare", func() bool { return p.spares(t) == 1 })
	stop()
	id := p.id("cut")
	_, err := p.db.Create(t.Context(), &control.Record{Tenant: registry.Tenant{
		ID: id, Cluster: "main", Isolation: registry.IsolationSchema, Schema: "cut", Login: p.prefix + "_cut", Password: registry.NewSecret("x"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	spare, err := p.db.TakeSpare(t.Context(), id, "", "main", registry.IsolationSchema)
	if err != nil || spare == nil {
		t.Fatal(spare, err)
	}
	op, err := p.operator.Retire(t.Context(), "test", id, 0, false) // as long as it is pending, or later
	p.done(t, op, err)
	op, err = p.operator.Delete(t.Context(), "test", id, id.String(), false)
	p.done(t, op, err)
	if left := p.leftovers(t, spare.ID); len(left) > 0 {
		t.Errorf("the server still has %q", left)
	}
}

func TestSparesOfAnotherPlanAreReplaced(t *testing.T) {
	t.Parallel()
	p := newPlane(t, func(s *planeSetup) {
		s.Spares = 2
		s.Plans = map[string]registry.Plan{"gold": {Limits: registry.Limits{MaxConns: 3}}}
	})
	stop := p.stock(t)
	eventually(t, "the spares", func() bool { return p.spares(t) == 2 })
	stop()
	o := p.configured(t, func(c *onboard.Config) { c.Spares, c.SparePlan = 2, "gold" })
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { o.Stock(ctx) })
	defer running.Wait()
	defer cancel()
	eventually(t, "the spares of the new plan", func() bool {
		spares, err := p.db.Spares(t.Context())
		return err == nil && len(spares) == 2 &&
			!slices.ContainsFunc(spares, func(s control.Spare) bool { return !s.Ready || s.Plan != "gold" })
	})
}
