package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/admission"
	"github.com/poolkeeper/poolkeeper/server"
	"github.com/poolkeeper/poolkeeper/server/readcache"
)

// The real interfaces; a change of one breaks the build here.
var (
	_ pools.Observer    = (*metrics.Metrics)(nil)
	_ registry.Observer = (*metrics.Metrics)(nil)
	_ router.Observer   = (*metrics.Metrics)(nil)
	_ server.Observer   = (*metrics.Metrics)(nil)

	_ admission.Observer = (*metrics.Metrics)(nil)
	_ readcache.Observer = (*metrics.Metrics)(nil)
)

// And what Watch is meant for.
var (
	_ metrics.Pools                  = (*pools.Keeper)(nil)
	_ func() map[registry.Status]int = (*registry.Registry)(nil).Count
)

var (
	acme   = registry.MustParseID("acme")
	globex = registry.MustParseID("globex")
)

func TestTheExpositionIsTheGoldenOne(t *testing.T) {
	t.Parallel()
	const golden = "testdata/exposition.prom"
	got := exposition(t, filled())
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the text is not that of %s; look at the difference, then run the test with -update\n%s", golden, diff(string(want), got))
	}
}

// diff shows the lines that only one side has.
func diff(want, got string) string {
	var b strings.Builder
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, line := range w {
		if !slices.Contains(g, line) {
			fmt.Fprintln(&b, "-", line)
		}
	}
	for _, line := range g {
		if !slices.Contains(w, line) {
			fmt.Fprintln(&b, "+", line)
		}
	}
	return b.String()
}

func TestPromlintFindsNothing(t *testing.T) {
	t.Parallel()
	problems, err := promlint.New(strings.NewReader(exposition(t, filled()))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestNewMetricsAreServedBeforeAnythingHappened(t *testing.T) {
	t.Parallel()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	got := exposition(t, m)
	for _, line := range []string{
		`poolkeeper_leases_total{outcome="refused"} 0`,
		`poolkeeper_refusals_total{reason="database"} 0`,
		`poolkeeper_registry_lookups_total{result="negative_hit"} 0`,
		`poolkeeper_config_last_reload_successful 1`,
		`poolkeeper_tenant_requests_total{outcome="ok",tenant="_other"} 0`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %s in\n%s", line, got)
		}
	}
	if strings.Contains(got, "poolkeeper_pools{") || strings.Contains(got, "poolkeeper_tenants{") {
		t.Errorf("pools or tenants without Watch:\n%s", got)
	}
}

func TestBuildFieldsThatAreNotKnownSaySo(t *testing.T) {
	t.Parallel()
	got := exposition(t, metrics.New(metrics.Defaults(), metrics.Build{GoVersion: "go1.26"}))
	const want = `poolkeeper_build_info{go_version="go1.26",revision="unknown",version="unknown"} 1`
	if !strings.Contains(got, want) {
		t.Errorf("no %s in\n%s", want, got)
	}
}

func TestTwoMetricsDoNotShareARegistry(t *testing.T) {
	t.Parallel()
	a, b := metrics.New(metrics.Defaults(), metrics.Build{}), metrics.New(metrics.Defaults(), metrics.Build{})
	a.Lookup("hit")
	if got := exposition(t, b); !strings.Contains(got, `poolkeeper_registry_lookups_total{result="hit"} 0`) {
		t.Errorf("the other one counted too:\n%s", got)
	}
}

func TestANamedClusterHasSeriesBeforeAnybodyUsesIt(t *testing.T) {
	t.Parallel()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	m.Watch(fakePools{stats: func() []pools.Stat { return nil }}, statuses, "main")
	got := exposition(t, m)
	for _, line := range []string{
		`poolkeeper_pools{cluster="main",state="ready"} 0`,
		`poolkeeper_cluster_connections{cluster="main",state="draining"} 0`,
		`poolkeeper_pools_opened_total{cluster="main"} 0`,
		`poolkeeper_cluster_connections{cluster="main",state="spare"} 0`,
		`poolkeeper_connections_opened_total{cluster="main",how="handoff"} 0`,
		`poolkeeper_acquire_duration_seconds_count{cluster="main",start="dial"} 0`,
		`poolkeeper_acquire_duration_seconds_count{cluster="main",start="handoff"} 0`,
		`poolkeeper_acquire_duration_seconds_count{cluster="main",start="spare"} 0`,
		`poolkeeper_tenants{status="retired"} 0`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %s in\n%s", line, got)
		}
	}
}

func TestTenantsThatCannotBeCountedAreLeftOut(t *testing.T) {
	t.Parallel()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	m.Watch(fakePools{stats: stats}, func() map[registry.Status]int { return nil })
	if families(t, m)["poolkeeper_tenants"] != nil {
		t.Error("there are tenants although nobody knows how many")
	}
}

func TestCountersSurviveThePool(t *testing.T) {
	t.Parallel()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	live := stats()
	m.Watch(fakePools{stats: func() []pools.Stat { return live }}, nil)
	m.ConnChanged(acme, "main", pools.EventOpened, "dial")
	acquire(m, acme, 1)
	live = nil
	m.PoolChanged(acme, "main", pools.ReasonIdle)
	got := exposition(t, m)
	for _, line := range []string{
		`poolkeeper_tenant_requests_total{outcome="ok",tenant="acme"} 1`,
		`poolkeeper_connections_opened_total{cluster="main",how="dial"} 1`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %s in\n%s", line, got)
		}
	}
	if strings.Contains(got, "poolkeeper_pool_connections{") {
		t.Errorf("a pool that is gone has connections:\n%s", got)
	}
}

func TestAReloadThatFailsIsShownUntilOneSucceeds(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Defaults(), metrics.Build{})
	for _, step := range []struct {
		err  error
		want float64
	}{{nil, 1}, {errors.New("bad"), 0}, {nil, 1}} {
		m.Reloaded(step.err)
		got := families(t, m)["poolkeeper_config_last_reload_successful"].GetMetric()[0].GetGauge().GetValue()
		if got != step.want {
			t.Errorf("after %v: %v, want %v", step.err, got, step.want)
		}
	}
}

func TestHistogramsAreNativeAsWellAsClassic(t *testing.T) {
	t.Parallel()
	ours := families(t, filled())
	for _, name := range []string{"poolkeeper_acquire_duration_seconds", "poolkeeper_http_request_duration_seconds"} {
		for _, metric := range ours[name].GetMetric() {
			h := metric.GetHistogram()
			if len(h.GetBucket()) == 0 || h.Schema == nil {
				t.Errorf("%s: %d classic buckets, native schema %v", name, len(h.GetBucket()), h.Schema)
			}
			for _, l := range metric.GetLabel() {
				if l.GetName() == "tenant" {
					t.Errorf("%s has a tenant label", name)
				}
			}
		}
	}
}

func TestRunEndsWindowsUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := metrics.Defaults()
		cfg.Top, cfg.Window = 1, time.Minute
		m := metrics.New(cfg, metrics.Build{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); m.Run(ctx) }()
		acquire(m, acme, 1)
		acquire(m, globex, 10)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		acquire(m, globex, 1)
		if got := requests(t, m)["globex ok"]; got != 1 {
			t.Errorf("the busier tenant has %v requests of its own after the window, want 1", got)
		}
		cancel()
		<-done
	})
}
