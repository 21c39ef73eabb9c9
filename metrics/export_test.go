package metrics

import "github.com/prometheus/client_golang/prometheus"

// NewPedantic is New on a registry that checks every collected metric.
func NewPedantic(cfg Config, build Build) *Metrics {
	return newOn(prometheus.NewPedanticRegistry(), cfg, build)
}

// EndWindow is what Run does at the end of a window.
func (m *Metrics) EndWindow() { m.ranking.endWindow() }

// Watched returns how many tenants are kept in memory, and how many of them
// only for the counts they left behind.
func (m *Metrics) Watched() (entries, former int) {
	m.ranking.mu.Lock()
	defer m.ranking.mu.Unlock()
	return int(m.ranking.size.Load()), len(m.ranking.past)
}
