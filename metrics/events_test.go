package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/pools"
)

func TestHTTPRequestsAreTimedByClassOfStatus(t *testing.T) {
	t.Parallel()
	for status, class := range map[int]string{
		101: "1xx", 204: "2xx", 302: "3xx", 404: "4xx", 503: "5xx", 0: "other", 999: "other",
	} {
		m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
		m.HTTP("/sql", "POST", status, time.Millisecond)
		line := fmt.Sprintf("poolkeeper_http_request_duration_seconds_count{code=%q,method=\"POST\",route=\"/sql\"} 1\n", class)
		if got := exposition(t, m); !strings.Contains(got, line) {
			t.Errorf("%d: no line %s", status, line)
		}
	}
}

func TestARequestForAConnectionCountsOnceForItsTenant(t *testing.T) {
	t.Parallel()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	m.Leased(acme, "main", pools.OutcomeOpened, nil)
	for _, err := range []error{
		nil, pools.ErrTenantQueue, pools.ErrTenantTimeout, &pools.DatabaseError{Tenant: acme, Err: pools.ErrPin},
		context.Canceled, errors.New("new"),
	} {
		m.Acquired(acme, "main", pools.StartWarm, 0, err)
	}
	m.Leased(acme, "", pools.OutcomeRefused, pools.ErrPoolLimit)
	got := requests(t, m)
	for outcome, want := range map[string]float64{"ok": 1, "limited": 2, "capacity": 1, "database": 1, "canceled": 1, "refused": 1} {
		if got["acme "+outcome] != want {
			t.Errorf("%s is %v, want %v", outcome, got["acme "+outcome], want)
		}
	}
}

func TestEventsOfPoolsAreCountedByClusterAndReason(t *testing.T) {
	t.Parallel()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	for _, reason := range []pools.Reason{
		"", pools.ReasonIdle, pools.ReasonOverflow, pools.ReasonReplaced, pools.ReasonSuspended,
		pools.ReasonRemoved, pools.ReasonEvicted, pools.ReasonShutdown, pools.ReasonIdle,
	} {
		m.PoolChanged(acme, "main", reason)
	}
	m.ConnChanged(acme, "main", pools.EventClosed, "lost")
	m.ConnChanged(acme, "main", pools.EventDrift, "role")
	m.ConnChanged(acme, "main", "renamed", "x")
	got := exposition(t, m)
	for _, line := range []string{
		`poolkeeper_pools_opened_total{cluster="main"} 1`,
		`poolkeeper_pools_retired_total{cluster="main",reason="idle"} 2`,
		`poolkeeper_pools_retired_total{cluster="main",reason="shutdown"} 1`,
		`poolkeeper_connections_closed_total{cluster="main",reason="lost"} 1`,
		`poolkeeper_session_drift_total{cluster="main",kind="role"} 1`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %s in\n%s", line, got)
		}
	}
	if strings.Contains(got, "connections_opened_total") || strings.Contains(got, `"x"`) {
		t.Errorf("an event of another name was counted:\n%s", got)
	}
}

func TestOnlyAcquiresThatSucceedAreTimed(t *testing.T) {
	t.Parallel()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	m.Acquired(acme, "main", pools.StartWarm, 5*time.Second, pools.ErrTenantTimeout)
	m.Acquired(acme, "main", pools.StartDial, 250*time.Millisecond, nil)
	got := exposition(t, m)
	for _, line := range []string{
		`poolkeeper_acquire_duration_seconds_count{cluster="main",start="dial"} 1`,
		`poolkeeper_acquire_duration_seconds_sum{cluster="main",start="dial"} 0.25`,
		`poolkeeper_refusals_total{reason="tenant_timeout"} 1`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %s in\n%s", line, got)
		}
	}
	if strings.Contains(got, `start="warm"`) {
		t.Error("a refused try was timed")
	}
}

// TestTheHotPathDoesNotAllocate is not parallel: other tests' allocations
// would count.
func TestTheHotPathDoesNotAllocate(t *testing.T) {
	m := warm()
	if n := testing.AllocsPerRun(1000, func() { request(m) }); n != 0 {
		t.Errorf("%v allocations per request", n)
	}
}

// warm returns Metrics whose series are all there.
func warm() *metrics.Metrics {
	m := metrics.New(metrics.Defaults(), metrics.Build{})
	request(m)
	return m
}

// request is every event of one request to a warm tenant.
func request(m *metrics.Metrics) {
	m.Routed("host", nil)
	m.Lookup("hit")
	m.Leased(acme, "main", pools.OutcomeHit, nil)
	m.Acquired(acme, "main", pools.StartWarm, 30*time.Microsecond, nil)
	m.HTTP("/sql", "POST", 200, time.Millisecond)
}

func BenchmarkRequest(b *testing.B) {
	m := warm()
	b.ReportAllocs()
	for b.Loop() {
		request(m)
	}
}

func BenchmarkLeasedAndAcquired(b *testing.B) {
	m := warm()
	b.ReportAllocs()
	for b.Loop() {
		m.Leased(acme, "main", pools.OutcomeHit, nil)
		m.Acquired(acme, "main", pools.StartWarm, 30*time.Microsecond, nil)
	}
}

func BenchmarkLeasedAndAcquiredInParallel(b *testing.B) {
	m := warm()
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			m.Leased(acme, "main", pools.OutcomeHit, nil)
			m.Acquired(acme, "main", pools.StartWarm, 30*time.Microsecond, nil)
		}
	})
}

// BenchmarkScrape reads 1,000 pools.
func BenchmarkScrape(b *testing.B) {
	m := metrics.New(metrics.Defaults(), metrics.Build{})
	live := make([]pools.Stat, 1000)
	for n := range live {
		live[n] = pools.Stat{Tenant: tenant(n), Cluster: "main", State: pools.StateReady, Idle: 1, Max: 4}
		acquire(m, tenant(n), 1)
	}
	m.Watch(fakePools{stats: func() []pools.Stat { return live }}, statuses, "main")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Registry().Gather(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEndWindow chooses among as many tenants as are watched at most.
func BenchmarkEndWindow(b *testing.B) {
	m := metrics.New(metrics.Defaults(), metrics.Build{})
	for b.Loop() {
		b.StopTimer()
		for n := range 5000 {
			acquire(m, tenant(n), 1)
		}
		b.StartTimer()
		m.EndWindow()
	}
}
