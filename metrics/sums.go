package metrics

import (
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// sums are the numbers of all pools, put together as a scrape shows them.
type sums struct {
	clusters map[string]*clusterSum
	pools    map[poolKey]*poolSum
}

// A clusterSum is about one cluster.
type clusterSum struct {
	readyPools, drainingPools         int
	idle, acquired, opening, draining int
	budget                            pools.BudgetStat
}

type poolKey struct{ tenant, cluster string }

// A poolSum is about one tenant on one cluster, or all without a label.
type poolSum struct{ idle, acquired, opening, max, waiting int }

// sum adds up stats and sets the budgets beside them. The named clusters are
// there even without a pool.
func sum(stats []pools.Stat, budgets []pools.BudgetStat, clusters []string, label func(registry.ID) string) sums {
	s := sums{clusters: map[string]*clusterSum{}, pools: map[poolKey]*poolSum{}}
	for _, name := range clusters {
		at(s.clusters, name)
	}
	for i := range stats {
		st := &stats[i]
		at(s.clusters, st.Cluster).add(st)
		at(s.pools, poolKey{label(st.Tenant), st.Cluster}).add(st)
	}
	for _, b := range budgets {
		at(s.clusters, b.Cluster).budget = b
	}
	return s
}

// at returns the value of a key, which it makes when there is none.
func at[K comparable, V any](m map[K]*V, key K) *V {
	if m[key] == nil {
		m[key] = new(V)
	}
	return m[key]
}

// other is what the budget counts and nobody else: a spare being opened, and
// connections that belong to no tenant. The pools and the budget are not read
// in one moment; what moved in between must not show as less than nothing.
func (s *clusterSum) other() int {
	known := s.idle + s.acquired + s.opening + s.draining + s.budget.Closing + s.budget.Spares
	return max(0, s.budget.InUse-known)
}

func (s *clusterSum) add(st *pools.Stat) {
	if st.State == pools.StateDraining {
		s.drainingPools++
		s.draining += st.Idle + st.Acquired + st.Opening
		return
	}
	s.readyPools++
	s.idle += st.Idle
	s.acquired += st.Acquired
	s.opening += st.Opening
}

func (s *poolSum) add(st *pools.Stat) {
	s.waiting += st.Waiting
	if st.State == pools.StateDraining {
		return
	}
	s.idle += st.Idle
	s.acquired += st.Acquired
	s.opening += st.Opening
	s.max += st.Max
}
