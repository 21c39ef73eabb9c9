package metrics_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// tenant is the id of the n-th made-up tenant.
func tenant(n int) registry.ID { return registry.MustParseID(fmt.Sprintf("t%06d", n)) }

// withTop returns Metrics with k places.
func withTop(k int, always ...string) *metrics.Metrics {
	cfg := metrics.Defaults()
	cfg.Top, cfg.Tenants = k, always
	return metrics.NewPedantic(cfg, metrics.Build{})
}

func acquire(m *metrics.Metrics, id registry.ID, times int) {
	for range times {
		m.Acquired(id, "main", pools.StartWarm, time.Microsecond, nil)
	}
}

// requests reads poolkeeper_tenant_requests_total by "tenant outcome".
func requests(t testing.TB, m *metrics.Metrics) map[string]float64 {
	t.Helper()
	got := map[string]float64{}
	for _, metric := range families(t, m)["poolkeeper_tenant_requests_total"].GetMetric() {
		// Labels are sorted by name: outcome, tenant.
		got[metric.GetLabel()[1].GetValue()+" "+metric.GetLabel()[0].GetValue()] = metric.GetCounter().GetValue()
	}
	return got
}

// labelled says whether the tenant has counters of its own in a scrape.
func labelled(t testing.TB, m *metrics.Metrics, id registry.ID) bool {
	t.Helper()
	_, ok := requests(t, m)[id.String()+" ok"]
	return ok
}

func TestTheFirstTenantsGetTheFreePlacesAtOnce(t *testing.T) {
	t.Parallel()
	m := withTop(2)
	for n := range 3 {
		acquire(m, tenant(n), 5)
	}
	if !labelled(t, m, tenant(0)) || !labelled(t, m, tenant(1)) || labelled(t, m, tenant(2)) {
		t.Errorf("not exactly the first two have series: %v", requests(t, m))
	}
	if got := requests(t, m)["_other ok"]; got != 5 {
		t.Errorf("the third tenant's requests in _other are %v, want 5", got)
	}
}

func TestABusierTenantTakesThePlaceAtTheEndOfTheWindow(t *testing.T) {
	t.Parallel()
	m := withTop(1)
	acquire(m, acme, 4)
	acquire(m, globex, 100)
	if labelled(t, m, globex) {
		t.Error("the place changed hands before the window ended")
	}
	m.EndWindow()
	if !labelled(t, m, globex) {
		t.Error("the busier tenant has no series after the window")
	}
}

func TestATenantThatIsOnlyALittleBusierDoesNotTakeThePlace(t *testing.T) {
	t.Parallel()
	m := withTop(1)
	acquire(m, acme, 100)
	acquire(m, globex, 125)
	m.EndWindow()
	if labelled(t, m, globex) {
		t.Error("25% more was enough")
	}
	for range 10 { // the two change the lead with every window
		acquire(m, acme, 100)
		acquire(m, globex, 110)
		m.EndWindow()
		acquire(m, acme, 110)
		acquire(m, globex, 100)
		m.EndWindow()
	}
	if labelled(t, m, globex) {
		t.Error("series flap between two tenants that are equally busy")
	}
	acquire(m, acme, 100)
	acquire(m, globex, 500)
	m.EndWindow()
	if !labelled(t, m, globex) {
		t.Error("five times as much was not enough")
	}
}

func TestBetweenEqualsTheSameTenantWinsEveryTime(t *testing.T) {
	t.Parallel()
	for range 10 {
		m := withTop(1)
		acquire(m, acme, 1)
		for n := range 20 {
			acquire(m, tenant(n), 10)
		}
		m.EndWindow()
		if !labelled(t, m, tenant(19)) {
			t.Fatalf("another one won: %v", requests(t, m))
		}
	}
}

func TestScrapesDoNotChangeWhoIsBusiest(t *testing.T) {
	t.Parallel()
	scraped, left := withTop(1), withTop(1)
	for _, m := range []*metrics.Metrics{scraped, left} {
		acquire(m, acme, 4)
		acquire(m, globex, 100)
		for range 20 {
			if m == scraped {
				families(t, m)
			}
		}
		acquire(m, acme, 100)
		m.EndWindow()
	}
	if labelled(t, scraped, globex) != labelled(t, left, globex) || labelled(t, left, globex) {
		t.Error("scraping changed the places")
	}
}

func TestWhoLeftIsShownForOneMoreWindowAndGoesOnWhenItComesBack(t *testing.T) {
	t.Parallel()
	m := withTop(1)
	acquire(m, acme, 4)
	acquire(m, globex, 100)
	m.EndWindow()
	if got := requests(t, m)["acme ok"]; got != 4 {
		t.Errorf("right after it left: %v, want 4", got)
	}
	m.EndWindow()
	if labelled(t, m, acme) {
		t.Error("still shown two windows after it left")
	}
	acquire(m, acme, 1000)
	m.EndWindow()
	acquire(m, acme, 1)
	if got := requests(t, m)["acme ok"]; got != 5 {
		t.Errorf("after it came back: %v, want 5", got)
	}
}
