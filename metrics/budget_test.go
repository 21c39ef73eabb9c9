package metrics_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// watching returns Metrics of one keeper's numbers.
func watching(stats []pools.Stat, budgets ...pools.BudgetStat) *metrics.Metrics {
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	m.Watch(fakePools{func() []pools.Stat { return stats }, func() []pools.BudgetStat { return budgets }}, nil)
	return m
}

// states are a cluster's connections by state.
func states(t *testing.T, m *metrics.Metrics) map[string]int {
	t.Helper()
	got := map[string]int{}
	for _, metric := range families(t, m)["poolkeeper_cluster_connections"].GetMetric() {
		for _, l := range metric.GetLabel() {
			if l.GetName() == "state" {
				got[l.GetValue()] = int(metric.GetGauge().GetValue())
			}
		}
	}
	return got
}

func TestTheStatesAddUpToWhatTheBudgetCounts(t *testing.T) {
	t.Parallel()
	m := watching(stats(), pools.BudgetStat{Cluster: "main", Budget: 20, InUse: 15, Idle: 3, Opening: 1, Closing: 3, Spares: 2})
	got, total := states(t, m), 0
	for _, n := range got {
		total += n
	}
	if total != 15 {
		t.Errorf("they are %d, want the 15 in use: %v", total, got)
	}
	want := map[string]int{"idle": 3, "acquired": 3, "opening": 1, "draining": 1, "closing": 3, "spare": 2, "other": 2}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The pools are read first, the budget a moment later.
func TestAConnectionThatClosedBetweenTwoReadingsIsNotNegative(t *testing.T) {
	t.Parallel()
	m := watching(stats(), pools.BudgetStat{Cluster: "main", Budget: 20, InUse: 4})
	if got := states(t, m)["other"]; got != 0 {
		t.Errorf("other is %d", got)
	}
}

func TestTheBudgetHasItsNumbersByCluster(t *testing.T) {
	t.Parallel()
	m := watching(stats(),
		pools.BudgetStat{Cluster: "main", Budget: 20, Waiting: 7, ReopenedSoon: 9, BreakersOpen: 2},
		pools.BudgetStat{Cluster: "second", Budget: 8, Derived: true})
	got := exposition(t, m)
	for _, line := range []string{
		`poolkeeper_cluster_connections_budget{cluster="main"} 20`,
		`poolkeeper_cluster_connections_budget{cluster="second"} 8`,
		`poolkeeper_cluster_waiting{cluster="main"} 7`,
		`poolkeeper_pools_reopened_soon_total{cluster="main"} 9`,
		`poolkeeper_pools_reopened_soon_total{cluster="second"} 0`,
		`poolkeeper_breakers_open{cluster="main"} 2`,
		`poolkeeper_breakers_open{cluster="second"} 0`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %s in\n%s", line, got)
		}
	}
}

func TestWhoWaitsAtItsOwnLimitDoesNotWaitForTheBudget(t *testing.T) {
	t.Parallel()
	m := watching([]pools.Stat{{Tenant: acme, Cluster: "main", State: pools.StateReady, Acquired: 4, Max: 4, Waiting: 6}},
		pools.BudgetStat{Cluster: "main", Budget: 20, InUse: 4})
	got := exposition(t, m)
	for _, line := range []string{`poolkeeper_cluster_waiting{cluster="main"} 0`, `poolkeeper_pool_waiting{cluster="main",tenant="_other"} 6`} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %s in\n%s", line, got)
		}
	}
}

func TestAClusterWithoutABudgetHasNoneOfZero(t *testing.T) {
	t.Parallel()
	m := watching(stats())
	if f := families(t, m)["poolkeeper_cluster_connections_budget"]; f != nil {
		t.Errorf("there is a budget: %v", f)
	}
}

func TestAConnectionOfNobodyMakesNoTenant(t *testing.T) {
	t.Parallel()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	for _, event := range []string{pools.EventOpened, pools.EventClosed} {
		m.ConnChanged(registry.ID{}, "main", event, "spare")
	}
	if entries, former := m.Watched(); entries+former != 0 {
		t.Errorf("%d tenants are watched", entries+former)
	}
	if got := exposition(t, m); strings.Contains(got, `tenant=""`) {
		t.Errorf("a tenant without a name:\n%s", got)
	}
}

func TestTheShareOfEachStartIsInTheCounts(t *testing.T) {
	t.Parallel()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	for start, n := range map[string]int{pools.StartWarm: 1, pools.StartHandoff: 6, pools.StartSpare: 2, pools.StartDial: 3} {
		for range n {
			m.Acquired(acme, "main", start, 0, nil)
		}
	}
	got := exposition(t, m)
	for start, n := range map[string]int{"warm": 1, "handoff": 6, "spare": 2, "dial": 3} {
		line := fmt.Sprintf("poolkeeper_acquire_duration_seconds_count{cluster=\"main\",start=%q} %d\n", start, n)
		if !strings.Contains(got, line) {
			t.Errorf("no line %s", line)
		}
	}
}

func TestRefusalsByTheBudgetAreCapacityForTheTenant(t *testing.T) {
	t.Parallel()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	for _, err := range []error{pools.ErrBudget, pools.ErrClusterQueue, &pools.DatabaseError{Tenant: acme, Err: pools.ErrBudget}} {
		m.Acquired(acme, "main", pools.StartDial, 0, err)
	}
	if got := requests(t, m); got["acme capacity"] != 3 || got["acme database"] != 0 || got["acme limited"] != 0 {
		t.Errorf("got %v", got)
	}
}
