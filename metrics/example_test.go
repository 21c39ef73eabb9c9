package metrics_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Metrics are handed to pools.New and the others as their Observer, and
// served on the admin listener.
func Example() {
	m := metrics.New(metrics.Defaults(), metrics.Build{Version: "1.0.0", Revision: "5f3c1a2", GoVersion: "go1.26"})

	// What a keeper tells its Observer while it serves one request:
	acme := registry.MustParseID("acme")
	m.Leased(acme, "main", pools.OutcomeOpened, nil)
	m.Acquired(acme, "main", pools.StartDial, 7*time.Millisecond, nil)

	for _, line := range scrapeLines(m.Handler(), "poolkeeper_build_info{", "poolkeeper_leases_total{") {
		fmt.Println(line)
	}
	// Output:
	// poolkeeper_build_info{go_version="go1.26",revision="5f3c1a2",version="1.0.0"} 1
	// poolkeeper_leases_total{outcome="hit"} 0
	// poolkeeper_leases_total{outcome="opened"} 1
	// poolkeeper_leases_total{outcome="refused"} 0
}

// Watch shows the live pools. Tenants beyond the busiest are summed.
func ExampleMetrics_Watch() {
	cfg := metrics.Defaults()
	cfg.Top, cfg.Tenants = 0, []string{"acme"}
	m := metrics.New(cfg, metrics.Build{})
	m.Watch(threePools{}, nil) // in a program, the *pools.Keeper
	for _, line := range scrapeLines(m.Handler(), "poolkeeper_cluster_connections_budget{", "poolkeeper_pool_connections_max{") {
		fmt.Println(line)
	}
	// Output:
	// poolkeeper_cluster_connections_budget{cluster="main"} 40
	// poolkeeper_pool_connections_max{cluster="main",tenant="_other"} 4
	// poolkeeper_pool_connections_max{cluster="main",tenant="acme"} 4
}

// threePools stand in for a *pools.Keeper.
type threePools struct{}

func (threePools) Stats() []pools.Stat {
	return []pools.Stat{
		{Tenant: registry.MustParseID("acme"), Cluster: "main", State: pools.StateReady, Max: 4},
		{Tenant: registry.MustParseID("globex"), Cluster: "main", State: pools.StateReady, Max: 2},
		{Tenant: registry.MustParseID("initech"), Cluster: "main", State: pools.StateReady, Max: 2},
	}
}

func (threePools) Budgets() []pools.BudgetStat {
	return []pools.BudgetStat{{Cluster: "main", Budget: 40}}
}

// scrapeLines returns the lines of a scrape with one of the prefixes.
func scrapeLines(h http.Handler, prefixes ...string) []string {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var lines []string
	for line := range strings.Lines(w.Body.String()) {
		for _, prefix := range prefixes {
			if strings.HasPrefix(line, prefix) {
				lines = append(lines, strings.TrimSuffix(line, "\n"))
			}
		}
	}
	return lines
}
