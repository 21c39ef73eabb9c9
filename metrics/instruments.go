package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The sentences that tell how to put replicas together.
const (
	sumReplicas = " Sum over replicas."
	minReplicas = " Take the min over replicas."
	maxReplicas = " The same in every replica: take the max over replicas."
)

// Keys of the instruments that the hot path uses.
type (
	acquireKey struct{ cluster, start string }
	routeKey   struct{ resolver, outcome string }
	httpKey    struct{ route, method, code string }
)

// instruments are everything that is counted when it happens. What is on the
// path of a request is an index; the rest asks its vector.
type instruments struct {
	leases   *index[string, prometheus.Counter]
	acquires *index[acquireKey, prometheus.Observer]
	reasons  *index[string, prometheus.Counter]
	lookups  *index[string, prometheus.Counter]
	routed   *index[routeKey, prometheus.Counter]
	http     *index[httpKey, prometheus.Observer]
	admitted *index[string, prometheus.Counter]
	asked    *index[string, prometheus.Counter]
	answers  prometheus.Histogram

	cacheReads, cacheAsked *index[string, prometheus.Counter]
	cacheAnswers           prometheus.Histogram

	poolsOpened  *prometheus.CounterVec
	poolsRetired *prometheus.CounterVec
	connsOpened  *prometheus.CounterVec
	connsClosed  *prometheus.CounterVec
	drift        *prometheus.CounterVec
	onboarded    *prometheus.CounterVec
	migrations   *prometheus.CounterVec
	operations   *prometheus.CounterVec
	underWay     *prometheus.GaugeVec
	reloads      *prometheus.CounterVec
	reloaded     prometheus.Gauge
}

func newInstruments(reg prometheus.Registerer) instruments {
	f := factory{reg}
	leases := f.counter("leases_total", "Leases asked for, by outcome: hit, opened, refused."+sumReplicas, "outcome")
	reasons := f.counter("refusals_total", "Refusals by the typed error that was the reason."+sumReplicas, "reason")
	lookups := f.counter("registry_lookups_total", "Lookups of tenant records by result: hit, negative_hit, loaded, unknown, error."+sumReplicas, "result")
	routed := f.counter("routed_total", "Requests whose tenant was looked for, by the resolver that named it (none when none did) and outcome: resolved, refused."+sumReplicas, "resolver", "outcome")
	acquires := f.histogram("acquire_duration_seconds", "Time until a lease got a connection, waiting included, by start: warm (a connection of the tenant's own), handoff (another tenant's), spare (one kept ready) or dial. Refused tries are in refusals_total."+sumReplicas, acquireBuckets(), "cluster", "start")
	requests := f.histogram("http_request_duration_seconds", "Time to answer HTTP requests by route, method and class of status code."+sumReplicas, httpBuckets(), "route", "method", "code")
	admitted := f.counter("admissions_total", "Requests that asked to be admitted, by outcome: ok, rate and in_flight when the tenant's limit was reached, store when the shared store could not be asked."+sumReplicas, "outcome")
	asked := f.counter("admission_store_requests_total", "Questions to the store that replicas share their limits by, by outcome: ok, failed, and resting for those that were not asked because it had failed lately."+sumReplicas, "outcome")
	reads := f.counter("cache_reads_total", "Reads that the cache was asked for, by where the answer came from: hit (kept here), shared (kept by another replica), collapsed (somebody else was reading it), miss (the database)."+sumReplicas, "outcome")
	cacheAsked := f.counter("cache_store_requests_total", "Questions to the store that replicas share kept answers by, by outcome: ok, failed, and resting for those that were not asked because it had failed lately."+sumReplicas, "outcome")
	return instruments{
		leases:  newIndex(func(k string) prometheus.Counter { return leases.WithLabelValues(k) }),
		reasons: newIndex(func(k string) prometheus.Counter { return reasons.WithLabelValues(k) }),
		lookups: newIndex(func(k string) prometheus.Counter { return lookups.WithLabelValues(k) }),
		routed: newIndex(func(k routeKey) prometheus.Counter {
			return routed.WithLabelValues(k.resolver, k.outcome)
		}),
		admitted: newIndex(func(k string) prometheus.Counter { return admitted.WithLabelValues(k) }),
		asked:    newIndex(func(k string) prometheus.Counter { return asked.WithLabelValues(k) }),
		answers: f.histogram("admission_store_duration_seconds", "Time until the store that replicas share their limits by had answered."+sumReplicas,
			acquireBuckets()).WithLabelValues().(prometheus.Histogram),
		cacheReads: newIndex(func(k string) prometheus.Counter { return reads.WithLabelValues(k) }),
		cacheAsked: newIndex(func(k string) prometheus.Counter { return cacheAsked.WithLabelValues(k) }),
		cacheAnswers: f.histogram("cache_store_duration_seconds", "Time until the store that replicas share kept answers by had answered."+sumReplicas,
			acquireBuckets()).WithLabelValues().(prometheus.Histogram),
		acquires: newIndex(func(k acquireKey) prometheus.Observer {
			return acquires.WithLabelValues(k.cluster, k.start)
		}),
		http: newIndex(func(k httpKey) prometheus.Observer {
			return requests.WithLabelValues(k.route, k.method, k.code)
		}),
		poolsOpened:  f.counter("pools_opened_total", "Pools opened."+sumReplicas, "cluster"),
		poolsRetired: f.counter("pools_retired_total", "Pools retired by reason: idle, overflow, replaced, suspended, removed, evicted, shutdown."+sumReplicas, "cluster", "reason"),
		connsOpened:  f.counter("connections_opened_total", "Connections opened by how: dial, handoff when another tenant's was taken over, spare when one kept ready became a tenant's."+sumReplicas, "cluster", "how"),
		connsClosed:  f.counter("connections_closed_total", "Connections closed by reason: idle, lifetime, lost, drift, discarded, cut, handoff when another tenant took it over, stolen when it made room for another tenant's, shrunk when the budget became smaller, or what its pool was retired for."+sumReplicas, "cluster", "reason"),
		drift:        f.counter("session_drift_total", "Sessions that came back other than they were lent, by what had changed."+sumReplicas, "cluster", "kind"),
		onboarded:    f.counter("onboard_total", "Tenants made real, or tried to be, by outcome: ok, failed."+sumReplicas, "outcome"),
		migrations:   f.counter("migrations_total", "Tenants whose migrations were run, those of new tenants apart, by outcome: ok, failed."+sumReplicas, "outcome"),
		operations:   f.counter("operations_total", "Operations that ended, by kind (add, migrate, ...) and outcome: done, failed, busy when another operation was at the tenant, cancelled by an operator, interrupted by the end of the process."+sumReplicas, "kind", "outcome"),
		underWay:     f.gauges("operations_running", "Operations that this process is at now, by kind."+sumReplicas, "kind"),
		reloads:      f.counter("config_reloads_total", "Reloads of the configuration by outcome: ok, failed."+sumReplicas, "outcome"),
		reloaded:     f.gauges("config_last_reload_successful", "Whether the last reload of the configuration was taken (1) or the one before it is kept (0)."+minReplicas).WithLabelValues(),
	}
}

// A factory makes instruments that are registered.
type factory struct{ reg prometheus.Registerer }

func (f factory) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	f.reg.MustRegister(v)
	return v
}

func (f factory) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	f.reg.MustRegister(v)
	return v
}

// histogram makes one with classic buckets, for every scraper, and with
// native ones, for those who ask for them.
func (f factory) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  160,
		NativeHistogramMinResetDuration: time.Hour,
	}, labels)
	f.reg.MustRegister(v)
	return v
}

// acquireBuckets go from an idle connection (microseconds) over a dial
// (milliseconds) to a full queue (seconds).
func acquireBuckets() []float64 {
	return []float64{
		0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.0025, 0.005,
		0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
	}
}

func httpBuckets() []float64 {
	return []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
}
