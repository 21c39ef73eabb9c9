package metrics

import (
	"cmp"
	"context"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server/readcache"
)

// namespace is the prefix of every name.
const namespace = "poolkeeper"

// Build says which program this is. An empty field is "unknown", an empty
// GoVersion that of the running program.
type Build struct {
	Version   string
	Revision  string
	GoVersion string
}

// Metrics counts what happens and serves the numbers. It is the Observer of
// pools, registry, router, admission and server. Safe for concurrent use; no method but
// Run blocks.
type Metrics struct {
	instruments
	registry  *prometheus.Registry
	collector *collector
	ranking   *ranking
	window    time.Duration
	refusals  []refusal
}

// New returns Metrics on a registry of their own. It panics with Validate's
// error when cfg is not valid, which is a mistake in the program: the zero
// Config is not valid, Defaults() is.
//
// Afterwards call Watch, and have Run running.
func New(cfg Config, build Build) *Metrics {
	return newOn(prometheus.NewRegistry(), cfg, build)
}

func newOn(reg *prometheus.Registry, cfg Config, build Build) *Metrics {
	if err := cfg.Validate(); err != nil {
		panic(err)
	}
	rank := newRanking(cfg)
	m := &Metrics{
		instruments: newInstruments(reg),
		registry:    reg,
		collector:   newCollector(rank),
		ranking:     rank,
		window:      cfg.Window,
		refusals:    refusals(),
	}
	reg.MustRegister(
		m.collector,
		buildInfo(build),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.startAtZero()
	return m
}

func buildInfo(b Build) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info",
		Help: "Always 1; the labels say what is running. Count over replicas.",
		ConstLabels: prometheus.Labels{
			"version":    cmp.Or(b.Version, "unknown"),
			"revision":   cmp.Or(b.Revision, "unknown"),
			"go_version": cmp.Or(b.GoVersion, runtime.Version()),
		},
	}, func() float64 { return 1 })
}

// startAtZero makes the series whose labels are known: a rate can only see
// the first event of a series that was there before it.
func (m *Metrics) startAtZero() {
	for _, outcome := range []string{pools.OutcomeHit, pools.OutcomeOpened, pools.OutcomeRefused} {
		m.leases.at(outcome)
	}
	for _, row := range m.refusals {
		m.reasons.at(row.reason)
	}
	for _, result := range []string{"hit", "negative_hit", "loaded", "unknown", "error"} {
		m.lookups.at(result)
	}
	for _, outcome := range []string{resultOK, "rate", "in_flight", "store"} {
		m.admitted.at(outcome)
	}
	for _, outcome := range []string{resultOK, resultFailed, storeResting} {
		m.asked.at(outcome)
		m.cacheAsked.at(outcome)
	}
	for _, outcome := range []readcache.Outcome{readcache.Hit, readcache.Shared, readcache.Collapsed, readcache.Miss} {
		m.cacheReads.at(string(outcome))
	}
	for _, vec := range []*prometheus.CounterVec{m.onboarded, m.migrations, m.reloads} {
		vec.WithLabelValues(resultOK)
		vec.WithLabelValues(resultFailed)
	}
	m.reloaded.Set(1)
}

// Watch has every scrape read the numbers of the live pools and of the
// clusters' budgets from keeper, which is the *pools.Keeper, and how many
// tenants have each status from tenants, which is (*registry.Registry).Count.
// Either may be nil, and tenants may return nil; their metrics are left out
// then. The named clusters have
// series from the start, even while nobody uses them. Calling Watch again
// replaces what it was told before.
func (m *Metrics) Watch(keeper Pools, tenants func() map[registry.Status]int, clusters ...string) {
	m.collector.sources.Store(&sources{keeper, tenants, clusters})
	for _, cluster := range clusters {
		m.poolsOpened.WithLabelValues(cluster)
		m.acquires.at(acquireKey{cluster, pools.StartWarm})
		for _, how := range []string{pools.StartHandoff, pools.StartSpare, pools.StartDial} {
			m.connsOpened.WithLabelValues(cluster, how)
			m.acquires.at(acquireKey{cluster, how})
		}
	}
}

// Run chooses the busiest tenants anew at the end of every window until ctx
// ends. Without it the first tenants keep the places.
func (m *Metrics) Run(ctx context.Context) {
	tick := time.NewTicker(m.window)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.ranking.endWindow()
		}
	}
}

// Registry returns the registry, for a program that adds metrics of its own
// or gathers these elsewhere.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// Handler serves the metrics to a scraper, as text or OpenMetrics, or in the
// protobuf format, the only one with native histograms. What cannot be
// collected is left out and counted in
// promhttp_metric_handler_errors_total.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry:          m.registry,
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
	})
}
