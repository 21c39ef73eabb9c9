package metrics

import (
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Outcomes of what can only succeed or fail.
const (
	resultOK     = "ok"
	resultFailed = "failed"
)

func resultOf(err error) string {
	if err != nil {
		return resultFailed
	}
	return resultOK
}

// Leased counts a lease that was asked for. It is part of pools.Observer.
func (m *Metrics) Leased(id registry.ID, _, outcome string, err error) {
	m.leases.at(outcome).Inc()
	if err != nil {
		m.ranking.counts(id)[m.refused(err)].Add(1)
	}
}

// PoolChanged counts a pool that was published (without a reason) or retired.
// It is part of pools.Observer.
func (m *Metrics) PoolChanged(_ registry.ID, cluster string, reason pools.Reason) {
	if reason == "" {
		m.poolsOpened.WithLabelValues(cluster).Inc()
		return
	}
	m.poolsRetired.WithLabelValues(cluster, string(reason)).Inc()
}

// ConnChanged counts a connection that was opened or closed, and a session
// that was found changed; an event of another name counts nothing. It is part
// of pools.Observer.
func (m *Metrics) ConnChanged(_ registry.ID, cluster, event, detail string) {
	switch event {
	case pools.EventOpened:
		m.connsOpened.WithLabelValues(cluster, detail).Inc()
	case pools.EventClosed:
		m.connsClosed.WithLabelValues(cluster, detail).Inc()
	case pools.EventDrift:
		m.drift.WithLabelValues(cluster, detail).Inc()
	}
}

// Acquired counts a try to get a connection, for the tenant too, which may
// rise in the ranking by it. It is part of pools.Observer.
func (m *Metrics) Acquired(id registry.ID, cluster, start string, took time.Duration, err error) {
	of := m.ranking.acquired(id)
	if err != nil {
		of[m.refused(err)].Add(1)
		return
	}
	of[outcomeOK].Add(1)
	m.acquires.at(acquireKey{cluster, start}).Observe(took.Seconds())
}

// Lookup counts a lookup of a record. It is registry.Observer.
func (m *Metrics) Lookup(result string) { m.lookups.at(result).Inc() }

// Routed counts a request whose tenant was looked for. It is router.Observer.
func (m *Metrics) Routed(resolver string, err error) {
	if err == nil {
		m.routed.at(routeKey{resolver, "resolved"}).Inc()
		return
	}
	m.routed.at(routeKey{resolver, "refused"}).Inc()
	m.refused(err)
}

// HTTP counts an answered request. The route is the pattern that matched, not
// the path; it and the method come from a bounded set. It is server.Observer.
func (m *Metrics) HTTP(route, method string, status int, took time.Duration) {
	m.http.at(httpKey{route, method, classOf(status)}).Observe(took.Seconds())
}

func classOf(status int) string {
	switch status / 100 {
	case 1:
		return "1xx"
	case 2:
		return "2xx"
	case 3:
		return "3xx"
	case 4:
		return "4xx"
	case 5:
		return "5xx"
	default:
		return "other"
	}
}

// Reloaded counts a reload of the configuration; err says why it was refused.
func (m *Metrics) Reloaded(err error) {
	m.reloads.WithLabelValues(resultOf(err)).Inc()
	if err != nil {
		m.reloaded.Set(0)
		return
	}
	m.reloaded.Set(1)
}
