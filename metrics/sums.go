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
	waiting                           int
}

type poolKey struct{ tenant, cluster string }

// A poolSum is about one tenant on one cluster, or all without a label.
type poolSum struct{ idle, acquired, opening, max, waiting int }

// sum adds up stats. The named clusters are there even without a pool.
func sum(stats []pools.Stat, clusters []string, label func(registry.ID) string) sums {
	s := sums{clusters: map[string]*clusterSum{}, pools: map[poolKey]*poolSum{}}
	for _, name := range clusters {
		at(s.clusters, name)
	}
	for i := range stats {
		st := &stats[i]
		at(s.clusters, st.Cluster).add(st)
		at(s.pools, poolKey{label(st.Tenant), st.Cluster}).add(st)
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

func (s *clusterSum) add(st *pools.Stat) {
	s.waiting += st.Waiting
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
