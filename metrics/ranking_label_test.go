package metrics_test

import (
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestConfiguredTenantsAlwaysHaveSeriesAndTakeNobodysPlace(t *testing.T) {
	t.Parallel()
	m := withTop(1, "vip", "idle")
	acquire(m, acme, 10)
	acquire(m, registry.MustParseID("vip"), 1)
	for range 30 {
		acquire(m, acme, 10)
		m.EndWindow()
	}
	got := requests(t, m)
	for name, want := range map[string]float64{"vip ok": 1, "idle ok": 0, "acme ok": 310, "_other ok": 0} {
		if n, ok := got[name]; !ok || n != want {
			t.Errorf("%s is %v (%v), want %v", name, n, ok, want)
		}
	}
}

func TestWithTopZeroOnlyConfiguredTenantsHaveSeries(t *testing.T) {
	t.Parallel()
	m := withTop(0, "vip")
	acquire(m, acme, 10)
	m.EndWindow()
	acquire(m, acme, 10)
	if got := requests(t, m); got["_other ok"] != 20 || labelled(t, m, acme) || len(got) != 2*6 {
		t.Errorf("got %v", got)
	}
}

func TestLabelNoneSumsEverybody(t *testing.T) {
	t.Parallel()
	cfg := metrics.Defaults()
	cfg.Label = metrics.LabelNone
	m := metrics.NewPedantic(cfg, metrics.Build{})
	m.Watch(fakePools{stats: stats}, nil)
	acquire(m, acme, 3)
	acquire(m, globex, 4)
	m.EndWindow()
	if text := exposition(t, m); strings.Contains(text, `tenant="acme"`) || strings.Contains(text, `tenant="globex"`) {
		t.Errorf("a tenant has series:\n%s", text)
	}
	if got := requests(t, m)["_other ok"]; got != 7 {
		t.Errorf("_other is %v, want 7", got)
	}
	if entries, _ := m.Watched(); entries != 0 {
		t.Errorf("%d tenants in memory", entries)
	}
}

func TestLabelAllGivesEverybodySeriesForGood(t *testing.T) {
	t.Parallel()
	cfg := metrics.Defaults()
	cfg.Label, cfg.Top = metrics.LabelAll, 1
	m := metrics.NewPedantic(cfg, metrics.Build{})
	for n := range 5000 {
		acquire(m, tenant(n), 1)
	}
	for range 30 {
		m.EndWindow()
	}
	if got := requests(t, m); got["t000000 ok"] != 1 || got["t004999 ok"] != 1 || got["_other ok"] != 0 {
		t.Errorf("%v %v %v", got["t000000 ok"], got["t004999 ok"], got["_other ok"])
	}
}

func TestRefusedTenantsTakeNoPlace(t *testing.T) {
	t.Parallel()
	m := withTop(10)
	for n := range 1000 { // somebody tries names
		m.Leased(tenant(n), "", pools.OutcomeRefused, registry.ErrUnknown)
	}
	if got := requests(t, m); got["_other refused"] != 1000 || len(got) != 6 {
		t.Errorf("got %v", got)
	}
	if entries, _ := m.Watched(); entries != 0 {
		t.Errorf("%d made-up tenants in memory", entries)
	}
}

func TestGaugesOfTheRestAreSummed(t *testing.T) {
	t.Parallel()
	m := withTop(1)
	m.Watch(fakePools{stats: stats}, nil)
	acquire(m, acme, 1)
	got := exposition(t, m)
	for _, line := range []string{
		`poolkeeper_pool_connections{cluster="main",state="acquired",tenant="acme"} 2`,
		`poolkeeper_pool_connections{cluster="main",state="acquired",tenant="_other"} 1`,
		`poolkeeper_pool_connections{cluster="main",state="idle",tenant="_other"} 2`,
		`poolkeeper_pool_connections_max{cluster="main",tenant="_other"} 10`,
		`poolkeeper_pool_connections_max{cluster="main",tenant="acme"} 4`,
		`poolkeeper_pool_waiting{cluster="main",tenant="acme"} 4`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %s in\n%s", line, got)
		}
	}
}
