package integration_test

import (
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
)

// A file that changes, or forgets the tenant and knows it again, says nothing
// of why an operator took it out of service.
func TestAnOperatorsSuspensionOutlastsWhatChangesInTheFile(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	apply := func(n int, more string) {
		t.Helper()
		op, err := p.operator.Apply(t.Context(), "test", p.declared(t, n, func(int) string { return more }))
		p.done(t, op, err)
	}
	apply(2, "")
	if _, err := p.operator.Suspend(t.Context(), "test", p.id("f0001"), 0, "unpaid"); err != nil {
		t.Fatal(err)
	}
	suspended := func(when string) {
		t.Helper()
		if r := p.record(t, p.id("f0001")); r.Status != registry.StatusSuspended || r.Reason != "unpaid" {
			t.Errorf("%s, the tenant is %s (%s)", when, r.Status, r.Reason)
		}
	}
	apply(2, ", limits: {max_conns: 3}")
	suspended("changed in the file")
	if r := p.record(t, p.id("f0001")); r.Limits.MaxConns != 3 {
		t.Errorf("its limit is %d", r.Limits.MaxConns)
	}
	apply(1, "")
	suspended("gone from the file")
	apply(2, "")
	suspended("back in the file")
}
