package integration_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestATenantThatGoesFromTheFileIsSuspendedWhoeverWorksOnIt(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	p.apply(t, p.operator, p.declared(t, 2, plain))
	id := registry.MustParseID(p.prefix + "-f0001")
	p.locked(t, id, "export")
	p.apply(t, p.operator, p.declared(t, 1, plain))
	if r := p.record(t, id); r.Status != registry.StatusSuspended {
		t.Errorf("the tenant is %s", r.Status)
	}
}

// apply brings about what is declared, which should go well.
func (p *plane) apply(t *testing.T, o *lifecycle.Operator, docs []registry.Document) {
	t.Helper()
	err := o.Reconcile(t.Context(), docs, func(c lifecycle.ApplyChange) {
		if c.Error != "" {
			t.Errorf("%s %s: %s", c.Action, c.Tenant, c.Error)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTwoProcessesThatApplyOneFileAtOnceBothSucceed(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	db, _, other := p.setup.open(t.Context(), t, p.log, nil)
	t.Cleanup(db.Close)
	t.Cleanup(other.Close)
	docs := p.declared(t, 8, plain)
	var both sync.WaitGroup
	for _, o := range []*lifecycle.Operator{p.operator, other} {
		both.Go(func() { p.apply(t, o, docs) })
	}
	both.Wait()
	for i := range 8 {
		p.works(t, p.record(t, registry.MustParseID(fmt.Sprintf("%s-f%04d", p.prefix, i))))
	}
}
