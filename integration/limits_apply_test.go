package integration_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Every limit that a file gives is noticed when it changes there, those that
// are to come too.
func TestEveryLimitThatChangesInTheFileIsApplied(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	docs := p.declared(t, 1, plain)
	op, err := p.operator.Apply(t.Context(), "test", docs)
	p.done(t, op, err)
	docs = p.declared(t, 1, func(int) string {
		return `, limits: {max_conns: 3, queue: 5, guaranteed_conns: 1, weight: 2, statement_timeout: 3s, idle_in_transaction_timeout: 4s,
			idle_after: 1m, queue_timeout: 2s, rate: 2.5, burst: 7, in_flight: 9, max_body: 1MiB, max_result: 2MiB, cache_for: 30s}`
	})
	plan, err := p.operator.PlanApply(t.Context(), docs)
	if err != nil || len(plan.Changes) != 1 {
		t.Fatalf("%+v, %v", plan, err)
	}
	var limits []string
	for _, f := range plan.Changes[0].Fields {
		if name, ok := strings.CutPrefix(f.Field, "limits."); ok {
			limits = append(limits, name)
		}
	}
	if fields := reflect.TypeFor[registry.Limits]().NumField(); len(limits) != fields {
		t.Errorf("of %d limits these are noticed: %v", fields, slices.Sorted(slices.Values(limits)))
	}
	op, err = p.operator.Apply(t.Context(), "test", docs)
	p.done(t, op, err)
	if l := p.record(t, p.id("f0000")).Limits; l.Rate != 2.5 || l.Burst != 7 || l.MaxResult != 2<<20 || l.CacheFor.Seconds() != 30 || l.QueueTimeout.Seconds() != 2 {
		t.Errorf("%+v", l)
	}
	if plan, err = p.operator.PlanApply(t.Context(), docs); err != nil || plan.Same != 1 {
		t.Errorf("applied, the plan is %+v, %v", plan, err)
	}
}
