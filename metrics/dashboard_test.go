package metrics_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

// A dashboard is as much of Grafana's classic model as the test looks at.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []struct {
			Name, Label, Type, Definition string
			Query                         json.RawMessage
			Datasource                    *source
			IncludeAll                    bool
			AllValue                      string
		}
	}
}

type source struct{ Type, UID string }

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               *source
	GridPos                  struct{ H, W, X, Y int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct {
		RefID, Expr, LegendFormat string
		Datasource                *source
	}
	Panels []panel
}

// dashboards reads every dashboard that is shipped.
func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	paths, err := filepath.Glob("../deploy/grafana/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	all := map[string]dashboard{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(data, &d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[path] = d
	}
	return all
}

// catalogueOf lists what a scrape of the server gives, as Prometheus stores
// it: with the labels of the target, and histograms as three series.
func catalogueOf(t *testing.T) catalogue {
	t.Helper()
	m := filled()
	m.Handler() // registers its own counter
	all, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	c := catalogue{}
	for _, f := range all {
		names := []string{f.GetName()}
		if f.GetType() == dto.MetricType_HISTOGRAM {
			names = []string{f.GetName() + "_bucket", f.GetName() + "_sum", f.GetName() + "_count"}
		}
		for _, name := range names {
			c[name] = labelValues(f)
			if strings.HasSuffix(name, "_bucket") {
				c[name]["le"] = map[string]bool{}
			}
		}
	}
	return c
}

func labelValues(f *dto.MetricFamily) map[string]map[string]bool {
	values := map[string]map[string]bool{"job": {}, "instance": {}}
	for _, metric := range f.GetMetric() {
		for _, l := range metric.GetLabel() {
			if values[l.GetName()] == nil {
				values[l.GetName()] = map[string]bool{}
			}
			values[l.GetName()][l.GetValue()] = true
		}
	}
	return values
}

func TestEveryQueryOfTheDashboardsMatchesWhatTheServerExports(t *testing.T) {
	t.Parallel()
	series := catalogueOf(t)
	legend := regexp.MustCompile(`{{\s*(\w+)\s*}}`)
	for path, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				result, err := series.parse(target.Expr)
				if err != nil {
					t.Errorf("%s: %q: %v in\n%s", path, p.Title, err, target.Expr)
					continue
				}
				for _, name := range legend.FindAllStringSubmatch(target.LegendFormat, -1) {
					if !result[name[1]] {
						t.Errorf("%s: %q: the legend's %s is no label of the result of\n%s", path, p.Title, name[1], target.Expr)
					}
				}
			}
		}
	}
}

func TestEveryVariableOfTheDashboardsMatchesWhatTheServerExports(t *testing.T) {
	t.Parallel()
	series := catalogueOf(t)
	query := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)
	for path, d := range dashboards(t) {
		for _, v := range d.Templating.List {
			if v.Type == "datasource" {
				continue
			}
			parts := query.FindStringSubmatch(v.Definition)
			if parts == nil {
				t.Errorf("%s: $%s: %q is no label_values", path, v.Name, v.Definition)
				continue
			}
			if result, err := series.parse(parts[1]); err != nil || !result[parts[2]] {
				t.Errorf("%s: $%s: %q: %v, labels %v", path, v.Name, v.Definition, err, result)
			}
			if !bytes.Contains(v.Query, []byte(`"label_values(`)) || !v.IncludeAll || v.AllValue != ".*" {
				t.Errorf("%s: $%s: the query is not there, or All is not", path, v.Name)
			}
		}
	}
}

func TestEveryMetricIsOnADashboard(t *testing.T) {
	t.Parallel()
	var queries strings.Builder
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				queries.WriteString(target.Expr + "\n")
			}
		}
	}
	for name := range families(t, filled()) {
		if !regexp.MustCompile(name + `(_bucket|_sum|_count)?\W`).MatchString(queries.String()) {
			t.Errorf("%s is on no dashboard", name)
		}
	}
}

func TestEveryVariableThatADashboardUsesIsDefined(t *testing.T) {
	t.Parallel()
	used := regexp.MustCompile(`\$\{?([a-zA-Z_]+)`)
	for path, d := range dashboards(t) {
		defined := []string{"__rate_interval", "__interval", "__range", "__all", "__auto"}
		for _, v := range d.Templating.List {
			defined = append(defined, v.Name)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range used.FindAllStringSubmatch(string(data), -1) {
			if !slices.Contains(defined, name[1]) {
				t.Errorf("%s: $%s is not defined", path, name[1])
			}
		}
		for _, name := range []string{"datasource", "cluster", "tenant"} {
			if !slices.Contains(defined, name) {
				t.Errorf("%s: no variable %s", path, name)
			}
		}
	}
}

// TestTheQueryParserFindsMistakes, or the tests above would pass for nothing.
func TestTheQueryParserFindsMistakes(t *testing.T) {
	t.Parallel()
	series := catalogueOf(t)
	for _, query := range []string{
		`poolkeeper_pool`,
		`sum(rate(poolkeeper_leases_total{outcme="hit"}[5m]))`,
		`sum(rate(poolkeeper_leases_total{outcome="hits"}[5m]))`,
		`sum(rate(poolkeeper_registry_lookups_total{result=~"hit|miss"}[5m]))`,
		`sum by (tenant) (poolkeeper_cluster_waiting)`,
		`sum by (le) (rate(poolkeeper_acquire_duration_seconds[5m]))`,
		`histogram_quantile(0.9, sum by (start) (rate(poolkeeper_acquire_duration_seconds_bucket[5m])))`,
		`sum by (start) (rate(poolkeeper_acquire_duration_seconds_sum[5m])) / sum(rate(poolkeeper_acquire_duration_seconds_count[5m]))`,
		`sum by (start) (rate(poolkeeper_acquire_duration_seconds_sum[5m])) / ignoring (cluster) group_left sum(rate(poolkeeper_acquire_duration_seconds_count[5m]))`,
		`sum(rate(poolkeeper_acquire_duration_seconds_sum[5m])) / ignoring (start) sum by (start) (rate(poolkeeper_acquire_duration_seconds_count[5m]))`,
		`sum without (cluster) (poolkeeper_cluster_connections) >= poolkeeper_cluster_connections_budget`,
		`sum without (tenant) (poolkeeper_cluster_connections)`,
		`poolkeeper_cluster_waiting and on (cluster poolkeeper_breakers_open`,
		`sum(rate(poolkeeper_leases_total[5x]))`,
		`sum(rate(poolkeeper_leases_total[5m])`,
		`sum(rate(poolkeeper_leases_total[5m])))`,
		`summ(poolkeeper_pools)`,
		`poolkeeper_pools{cluster="$cluster"}`,
		`poolkeeper_pools{cluster}`,
		`poolkeeper_pools; drop`,
		``,
	} {
		if _, err := series.parse(query); err == nil {
			t.Errorf("%s is taken for right", query)
		}
	}
}
