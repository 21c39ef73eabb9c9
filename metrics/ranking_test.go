package metrics_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
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

func TestWhatWasCountedStaysWhereItWasCounted(t *testing.T) {
	t.Parallel()
	m := withTop(1)
	acquire(m, acme, 4)
	acquire(m, globex, 100) // in _other
	m.EndWindow()           // globex enters, acme leaves
	acquire(m, acme, 7)     // in _other
	acquire(m, globex, 1)
	got := requests(t, m)
	for name, want := range map[string]float64{"acme ok": 4, "globex ok": 1, "_other ok": 107} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
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

// TestHundredThousandTenantsDoNotChangeTheScrape compares 100 tenants with
// 100,000, busy over several windows.
func TestHundredThousandTenantsDoNotChangeTheScrape(t *testing.T) {
	t.Parallel()
	size := func(tenants int) int {
		m := withTop(50)
		for range 4 {
			for n := range tenants {
				acquire(m, tenant(n), 1+n%3)
			}
			if entries, former := m.Watched(); entries > 4096 || former > 24*50 {
				t.Errorf("%d tenants: %d watched, %d former", tenants, entries, former)
			}
			m.EndWindow()
		}
		m.EndWindow() // those who left are gone
		return strings.Count(exposition(t, m), "\n")
	}
	few, many := size(100), size(100_000)
	if few != many {
		t.Errorf("%d lines with 100 tenants, %d with 100,000", few, many)
	}
}

// It measures the heap, so it is not parallel.
func TestHundredThousandTenantsTakeLittleMemory(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	m := withTop(50)
	before := heap()
	for range 30 {
		for n := range 100_000 {
			acquire(m, tenant(n), 1)
		}
		m.EndWindow()
	}
	after := heap()
	if after > before && after-before > 4<<20 {
		t.Errorf("grew by %d kB", (after-before)>>10)
	}
	runtime.KeepAlive(m)
}

func TestABusyTenantIsFoundAmongHundredThousand(t *testing.T) {
	t.Parallel()
	m := withTop(50)
	for range 3 {
		for n := range 100_000 {
			acquire(m, tenant(n), 1)
			if n%100 == 0 {
				acquire(m, acme, 1)
			}
		}
		m.EndWindow()
	}
	if !labelled(t, m, acme) {
		t.Error("a tenant with 1,000 times the requests of the others has no series")
	}
}

func TestANewcomerIsSeenAlthoughThereAreMoreTenantsThanAreWatched(t *testing.T) {
	t.Parallel()
	m := withTop(50)
	everybody := func() {
		for n := range 5000 {
			acquire(m, tenant(n), 10)
		}
	}
	everybody()
	m.EndWindow()
	acquire(m, acme, 1000)
	everybody()
	m.EndWindow()
	if !labelled(t, m, acme) {
		t.Error("the candidates of the window before left no room")
	}
}

// TestNoCounterGoesBackwardsWhileTenantsEnterAndLeave drives random load with
// shifting favourites and compares every scrape with all that came before.
func TestNoCounterGoesBackwardsWhileTenantsEnterAndLeave(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 1))
			m := withTop(1+rng.IntN(5), "vip")
			highest, total := map[string]float64{}, 0
			for window := range 20 {
				for range 5 {
					for range rng.IntN(6) {
						times := 1 << rng.IntN(8)
						acquire(m, tenant(rng.IntN(12)), times)
						total += times
					}
					rising(t, window, highest, requests(t, m))
				}
				m.EndWindow()
			}
			sum := 0.0
			for _, n := range highest {
				sum += n
			}
			if sum != float64(total) {
				t.Errorf("the scrapes have seen %v requests of %d", sum, total)
			}
		})
	}
}

// rising fails when a counter is lower than it ever was.
func rising(t *testing.T, window int, highest, now map[string]float64) {
	t.Helper()
	for name, n := range now {
		if n < highest[name] {
			t.Errorf("window %d: %s went from %v back to %v", window, name, highest[name], n)
		}
		highest[name] = n
	}
}

func TestCountsOfWhoLeftLongAgoAreForgotten(t *testing.T) {
	t.Parallel()
	m := withTop(1)
	acquire(m, acme, 4)
	acquire(m, globex, 100)
	m.EndWindow()
	for range 23 {
		m.EndWindow()
	}
	if _, former := m.Watched(); former != 1 {
		t.Errorf("%d remembered after 23 windows, want 1", former)
	}
	m.EndWindow()
	if entries, former := m.Watched(); former != 0 || entries != 1 {
		t.Errorf("%d remembered, %d watched after 24 windows, want 0, 1", former, entries)
	}
}

// TestNothingIsLostUnderConcurrency counts from many goroutines while places
// change and scrapes run; every scrape must rise and the end must add up.
func TestNothingIsLostUnderConcurrency(t *testing.T) {
	t.Parallel()
	const workers, each = 8, 4000
	m := withTop(3)
	m.Watch(fakePools{stats: stats}, statuses, "main")
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 2))
			for range each {
				acquire(m, tenant(rng.IntN(10)*rng.IntN(2)), 1)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	highest := map[string]float64{}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		m.EndWindow()
		rising(t, 0, highest, requests(t, m))
	}
	sum := 0.0
	for _, n := range highest {
		sum += n
	}
	if sum > workers*each || sum < workers*each*99/100 {
		t.Errorf("the scrapes have seen %v of %d", sum, workers*each)
	}
}
