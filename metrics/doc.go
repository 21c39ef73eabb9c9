// Package metrics counts what Poolkeeper does and serves the numbers to
// Prometheus. It is the only package that knows Prometheus: pools, registry,
// router and server each declare an Observer, and [Metrics] is all of them.
//
//	m := metrics.New(metrics.Defaults(), metrics.Build{Version: "1.0.0"})
//	keeper, err := pools.New(cfg, tenants, m)
//	...
//	m.Watch(keeper, tenants.Count, "main")
//	go m.Run(ctx)
//	mux.Handle("GET /metrics", m.Handler())
//
// # Metrics
//
// Replicas of Poolkeeper do not know each other. The column replicas says how
// to put their numbers together: add them up, or take the max, min or count.
//
//	name                                          type       labels                  replicas
//	poolkeeper_acquire_duration_seconds           histogram  cluster, start          sum
//	poolkeeper_admission_store_duration_seconds   histogram  -                       sum
//	poolkeeper_admission_store_requests_total     counter    outcome                 sum
//	poolkeeper_admissions_total                   counter    outcome                 sum
//	poolkeeper_breakers_open                      gauge      cluster                 max
//	poolkeeper_build_info                         gauge      go_version, revision, version  count
//	poolkeeper_cache_reads_total                  counter    outcome                 sum
//	poolkeeper_cache_store_duration_seconds       histogram  -                       sum
//	poolkeeper_cache_store_requests_total         counter    outcome                 sum
//	poolkeeper_cluster_connections                gauge      cluster, state          sum
//	poolkeeper_cluster_connections_budget         gauge      cluster                 sum
//	poolkeeper_cluster_waiting                    gauge      cluster                 sum
//	poolkeeper_config_last_reload_successful      gauge      -                       min
//	poolkeeper_config_reloads_total               counter    outcome                 sum
//	poolkeeper_connections_closed_total           counter    cluster, reason         sum
//	poolkeeper_connections_opened_total           counter    cluster, how            sum
//	poolkeeper_control_confirmed_timestamp_seconds  gauge  -                       min
//	poolkeeper_control_fresh                      gauge      -                       min
//	poolkeeper_control_listening                  gauge      -                       min
//	poolkeeper_http_request_duration_seconds      histogram  code, method, route     sum
//	poolkeeper_leases_total                       counter    outcome                 sum
//	poolkeeper_migrations_total                   counter    outcome                 sum
//	poolkeeper_onboard_total                      counter    outcome                 sum
//	poolkeeper_operations_running                 gauge      kind                    sum
//	poolkeeper_operations_total                   counter    kind, outcome           sum
//	poolkeeper_pool_connections                   gauge      cluster, state, tenant  sum
//	poolkeeper_pool_connections_max               gauge      cluster, tenant         sum
//	poolkeeper_pool_waiting                       gauge      cluster, tenant         sum
//	poolkeeper_pools                              gauge      cluster, state          sum
//	poolkeeper_pools_opened_total                 counter    cluster                 sum
//	poolkeeper_pools_reopened_soon_total          counter    cluster                 sum
//	poolkeeper_pools_retired_total                counter    cluster, reason         sum
//	poolkeeper_refusals_total                     counter    reason                  sum
//	poolkeeper_registry_lookups_total             counter    result                  sum
//	poolkeeper_routed_total                       counter    outcome, resolver       sum
//	poolkeeper_session_drift_total                counter    cluster, kind           sum
//	poolkeeper_tenant_requests_total              counter    outcome, tenant         sum
//	poolkeeper_tenants                            gauge      status                  max
//
// Beside them stand the Go runtime's (go_*), the process's (process_*), and
// promhttp_metric_handler_errors_total, the scrapes that failed in part.
//
// How connections were had is in the histogram's counts: of all acquires, the
// share served warm, by handoff, from a spare and by a dial is
//
//	sum by (start) (rate(poolkeeper_acquire_duration_seconds_count[5m]))
//	  / ignoring (start) group_left
//	sum (rate(poolkeeper_acquire_duration_seconds_count[5m]))
//
// The states of poolkeeper_cluster_connections add up to what the server sees
// of this process, cancel requests apart, and that is never more than
// poolkeeper_cluster_connections_budget.
//
// Those of operations and of the control database are there when the program
// has one; see [Metrics.WatchControl]. API keys that were taken are in
// poolkeeper_routed_total, with resolver="key", and those that were not in
// poolkeeper_refusals_total, with a reason that begins with key_.
//
// Histograms have classic buckets, and native ones for scrapers that ask for
// the protobuf format.
//
// # Which tenants have series of their own
//
// With label top, the default, three kinds have: the Top busiest, those
// listed in Tenants, and, until the next window ends, those who have just
// left the busiest. The rest is summed in tenant="_other", so the size of a
// scrape does not depend on how many tenants there are.
//
// The pool of a tenant's reader is one beside the tenant's own, and so are its
// series: tenant="acme+read" beside tenant="acme". It has a place of its own
// among the busiest; that of a listed tenant is listed too.
//
// Busy is who acquires connections most. While there are free places the
// first acquire is enough for one. From then on the places are given anew at
// the end of every Window, and only to a tenant that is busier by a quarter
// than the one it replaces. Scrapes have no part in that.
//
// What a counter adds belongs to the tenant's own series or to _other from
// the moment it is counted, and is never moved. So no counter goes backwards
// when a tenant enters or leaves: _other stays as it is, and a tenant that
// comes back goes on where it stopped. Only after 24 windows away its counts
// are forgotten, and it starts at zero like a new one.
//
// Series of gauges come and go with pools. Counters do not: evicting a pool
// takes nothing back.
package metrics
