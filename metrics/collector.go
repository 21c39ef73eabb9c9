package metrics

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// sources are where a scrape reads.
type sources struct {
	pools    func() []pools.Stat
	tenants  func() map[registry.Status]int
	clusters []string
}

// A collector reads the numbers of live pools when somebody scrapes. Its
// series vanish with the pools; everything that must not vanish is counted
// elsewhere.
type collector struct {
	ranking *ranking
	sources atomic.Pointer[sources]

	pools, conns, connsMax, waiting   *prometheus.Desc
	clusterConns, clusterWaiting      *prometheus.Desc
	tenantRequests, tenantsWithStatus *prometheus.Desc
}

func newCollector(r *ranking) *collector {
	c := &collector{
		ranking:           r,
		pools:             desc("pools", "Live pools by state: ready, draining."+sumReplicas, "cluster", "state"),
		conns:             desc("pool_connections", "Connections of ready pools by state: idle, acquired, opening; those of draining pools are in cluster_connections."+sumReplicas, "tenant", "cluster", "state"),
		connsMax:          desc("pool_connections_max", "The most connections that ready pools may open."+sumReplicas, "tenant", "cluster"),
		waiting:           desc("pool_waiting", "Callers that wait for a connection."+sumReplicas, "tenant", "cluster"),
		clusterConns:      desc("cluster_connections", "Connections to the cluster by state: idle, acquired, opening, and draining for all of a pool that drains."+sumReplicas, "cluster", "state"),
		clusterWaiting:    desc("cluster_waiting", "Callers that wait for a connection to the cluster."+sumReplicas, "cluster"),
		tenantRequests:    desc("tenant_requests_total", "Requests for a connection, of the busiest and the configured tenants, by outcome: ok, limited (by the tenant's own limit), capacity, database, canceled, refused. Tenant _other sums the rest."+sumReplicas, "tenant", "outcome"),
		tenantsWithStatus: desc("tenants", "Tenants in the registry by status."+maxReplicas, "status"),
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
		c.pools, c.conns, c.connsMax, c.waiting, c.clusterConns, c.clusterWaiting, c.tenantRequests, c.tenantsWithStatus,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	src := c.sources.Load()
	if src.pools != nil {
		s := sum(src.pools(), src.clusters, c.ranking.labels())
		c.sendClusters(ch, s.clusters)
		c.sendPools(ch, s.pools)
	}
	if src.tenants != nil {
		if count := src.tenants(); count != nil {
			c.sendTenants(ch, count)
		}
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
		ch <- gauge(c.clusterWaiting, s.waiting, name)
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
			n := float64(s.requests[o].Load())
			ch <- prometheus.MustNewConstMetric(c.tenantRequests, prometheus.CounterValue, n, s.tenant, o.String())
		}
	}
}

func gauge(d *prometheus.Desc, n int, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
}
