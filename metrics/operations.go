package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Control says how this process hears of changes in the control database.
type Control struct {
	// Listening says that the connection which is told of changes is there.
	Listening bool
	// Fresh says that the records in memory are believed without asking.
	Fresh bool
	// Confirmed is when they were last known to be all that there is; zero
	// when they never were.
	Confirmed time.Time
}

// WatchControl has every scrape ask how changes are heard of, and begins the
// series of operations. It is for a program with a control database; without
// one there are no such series.
func (m *Metrics) WatchControl(how func() Control) {
	for _, kind := range operationKinds() {
		m.underWay.WithLabelValues(kind)
		for _, outcome := range []string{"done", "failed", "busy", "cancelled", "interrupted"} {
			m.operations.WithLabelValues(kind, outcome)
		}
	}
	m.collector.control.Store(&how)
}

// operationKinds are those that the control database knows.
func operationKinds() []string {
	return []string{"add", "provision", "rotate", "clone", "export", "retire", "delete", "apply", "migrate", "reseal"}
}

// OperationBegan counts an operation as running. It is part of
// lifecycle.Observer.
func (m *Metrics) OperationBegan(kind string) { m.underWay.WithLabelValues(kind).Inc() }

// OperationEnded counts an operation's end. It is part of lifecycle.Observer.
func (m *Metrics) OperationEnded(kind, outcome string) {
	m.underWay.WithLabelValues(kind).Dec()
	m.operations.WithLabelValues(kind, outcome).Inc()
}

// Onboarded counts a tenant that was made real; err says why it could not be.
// It is part of lifecycle.Observer.
func (m *Metrics) Onboarded(err error) { m.onboarded.WithLabelValues(resultOf(err)).Inc() }

// Migrated counts a tenant whose migrations were run; err says why they
// stopped. It is part of lifecycle.Observer.
func (m *Metrics) Migrated(err error) { m.migrations.WithLabelValues(resultOf(err)).Inc() }

// sendControl sends how changes are heard of. What was never confirmed has no
// time, and is not fresh.
func (c *collector) sendControl(ch chan<- prometheus.Metric, how Control) {
	ch <- gauge(c.listening, truth(how.Listening))
	ch <- gauge(c.fresh, truth(how.Fresh))
	if !how.Confirmed.IsZero() {
		at := float64(how.Confirmed.UnixMilli()) / 1000
		ch <- prometheus.MustNewConstMetric(c.confirmed, prometheus.GaugeValue, at)
	}
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}
