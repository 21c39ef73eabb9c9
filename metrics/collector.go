package metrics

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Pools are where a scrape reads the numbers of live pools and of the
// clusters' budgets. *pools.Keeper is one.
type Pools interface {
	Stats() []pools.Stat
	Budgets() []pools.BudgetStat
}

// sources are where a scrape reads.
type sources struct {
	keeper   Pools
	tenants  func() map[registry.Status]int
	clusters []string
}

// A collector reads the numbers of live pools when somebody scrapes. Its
// series vanish with the pools; everything that must not vanish is counted
// elsewhere.
type collector struct {
	ranking *ranking
	sources atomic.Pointer[sources]
	control atomic.Pointer[func() Control] // nil without a control database

	pools, conns, connsMax, waiting            *prometheus.Desc
	clusterConns, clusterBudget                *prometheus.Desc
	clusterWaiting, reopenedSoon, breakersOpen *prometheus.Desc
	tenantRequests, tenantsWithStatus          *prometheus.Desc
	listening, fresh, confirmed                *prometheus.Desc
}

func newCollector(r *ranking) *collector {
	c := &collector{
		ranking:           r,
		pools:             desc("pools", "Live pools by state: ready, draining."+sumReplicas, "cluster", "state"),
		conns:             desc("pool_connections", "Connections of ready pools by state: idle, acquired, opening; those of draining pools are in cluster_connections."+sumReplicas, "tenant", "cluster", "state"),
		connsMax:          desc("pool_connections_max", "The most connections that ready pools may open."+sumReplicas, "tenant", "cluster"),
		waiting:           desc("pool_waiting", "Callers of the tenant that wait for a connection."+sumReplicas, "tenant", "cluster"),
		clusterConns:      desc("cluster_connections", "Connections to the cluster by state: idle, acquired, opening, draining for all of a pool that drains, closing until the server has let go, spare for those kept ready, and other for what is no pool's, such as a spare being opened. Their sum is what counts against cluster_connections_budget."+sumReplicas, "cluster", "state"),
		clusterBudget:     desc("cluster_connections_budget", "The most connections that there may be to the cluster."+sumReplicas, "cluster"),
		clusterWaiting:    desc("cluster_waiting", "Callers that wait because the cluster's budget is used up. Those who wait at their tenant's own limit are not among them, see pool_waiting."+sumReplicas, "cluster"),
		reopenedSoon:      desc("pools_reopened_soon_total", "Pools whose tenant came back right after it was evicted."+sumReplicas, "cluster"),
		breakersOpen:      desc("breakers_open", "Databases of the cluster that are not tried for now because they failed. Each replica finds out by itself: take the max over replicas.", "cluster"),
		tenantRequests:    desc("tenant_requests_total", "Requests for a connection, of the busiest and the configured tenants, by outcome: ok, limited (by the tenant's own limit), capacity, database, canceled, refused. Tenant _other sums the rest."+sumReplicas, "tenant", "outcome"),
		tenantsWithStatus: desc("tenants", "Tenants in the registry by status."+maxReplicas, "status"),
		listening:         desc("control_listening", "Whether the connection that hears of changes in the control database is there (1); without it (0) they are looked for every control.poll."+minReplicas),
		fresh:             desc("control_fresh", "Whether the records in memory are believed (1), or so old that every lookup asks the control database (0)."+minReplicas),
		confirmed:         desc("control_confirmed_timestamp_seconds", "When the records in memory were last known to be all that the control database has."+minReplicas),
	}
	c.sources.Store(&sources{})
	return c
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.pools, c.conns, c.connsMax, c.waiting,
		c.clusterConns, c.clusterBudget, c.clusterWaiting, c.reopenedSoon, c.breakersOpen,
		c.tenantRequests, c.tenantsWithStatus, c.listening, c.fresh, c.confirmed,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	src := c.sources.Load()
	if src.keeper != nil {
		s := sum(src.keeper.Stats(), src.keeper.Budgets(), src.clusters, c.ranking.labels())
		c.sendClusters(ch, s.clusters)
		c.sendPools(ch, s.pools)
	}
	if src.tenants != nil {
		if count := src.tenants(); count != nil {
			c.sendTenants(ch, count)
		}
	}
	if how := c.control.Load(); how != nil {
		c.sendControl(ch, (*how)())
	}
	c.sendRequests(ch)
}

func (c *collector) sendClusters(ch chan<- prometheus.Metric, clusters map[string]*clusterSum) {
	for name, s := range clusters {
		ch <- gauge(c.pools, s.readyPools, name, pools.StateReady)
		ch <- gauge(c.pools, s.drainingPools, name, pools.StateDraining)
		ch <- gauge(c.clusterConns, s.idle, name, "idle")
		ch <- gauge(c.clusterConns, s.acquired, name, "acquired")
		ch <- gauge(c.clusterConns, s.opening, name, "opening")
		ch <- gauge(c.clusterConns, s.draining, name, pools.StateDraining)
		ch <- gauge(c.clusterConns, s.budget.Closing, name, "closing")
		ch <- gauge(c.clusterConns, s.budget.Spares, name, "spare")
		ch <- gauge(c.clusterConns, s.other(), name, "other")
		c.sendBudget(ch, name, s.budget)
	}
}

// sendBudget sends what only the budget knows. A cluster without one, which
// the keeper does not know, has no budget of 0.
func (c *collector) sendBudget(ch chan<- prometheus.Metric, name string, b pools.BudgetStat) {
	ch <- gauge(c.clusterWaiting, b.Waiting, name)
	ch <- gauge(c.breakersOpen, b.BreakersOpen, name)
	ch <- counter(c.reopenedSoon, b.ReopenedSoon, name)
	if b.Budget > 0 {
		ch <- gauge(c.clusterBudget, b.Budget, name)
	}
}

func (c *collector) sendPools(ch chan<- prometheus.Metric, tenants map[poolKey]*poolSum) {
	for key, s := range tenants {
		ch <- gauge(c.conns, s.idle, key.tenant, key.cluster, "idle")
		ch <- gauge(c.conns, s.acquired, key.tenant, key.cluster, "acquired")
		ch <- gauge(c.conns, s.opening, key.tenant, key.cluster, "opening")
		ch <- gauge(c.connsMax, s.max, key.tenant, key.cluster)
		ch <- gauge(c.waiting, s.waiting, key.tenant, key.cluster)
	}
}

func (c *collector) sendTenants(ch chan<- prometheus.Metric, count map[registry.Status]int) {
	for _, status := range []registry.Status{
		registry.StatusPending, registry.StatusActive, registry.StatusSuspended, registry.StatusRetired,
	} {
		ch <- gauge(c.tenantsWithStatus, count[status], string(status))
	}
}

func (c *collector) sendRequests(ch chan<- prometheus.Metric) {
	for _, s := range c.ranking.series() {
		for o := range numOutcomes {
			ch <- counter(c.tenantRequests, s.requests[o].Load(), s.tenant, o.String())
		}
	}
}

func gauge(d *prometheus.Desc, n int, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
}

func counter(d *prometheus.Desc, n uint64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}
