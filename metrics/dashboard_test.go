package metrics_test

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"go.yaml.in/yaml/v3"

	"github.com/poolkeeper/poolkeeper/server"
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

// TestDashboardsAreWellFormed checks what Grafana asks of an import. (That
// they look well, only Grafana can show.)
func TestDashboardsAreWellFormed(t *testing.T) {
	t.Parallel()
	uids := map[string]string{}
	for path, d := range dashboards(t) {
		if d.Title == "" || d.UID == "" || len(d.UID) > 40 || d.SchemaVersion < 40 {
			t.Errorf("%s: title %q, uid %q, schema %d", path, d.Title, d.UID, d.SchemaVersion)
		}
		if other, twice := uids[d.UID]; twice {
			t.Errorf("%s and %s have the uid %s: Grafana would keep one", path, other, d.UID)
		}
		uids[d.UID] = path
		ids, taken := map[int]string{}, map[[2]int]string{}
		for _, p := range d.Panels {
			if other, twice := ids[p.ID]; twice || p.ID == 0 {
				t.Errorf("%s: %q and %q have id %d", path, p.Title, other, p.ID)
			}
			ids[p.ID] = p.Title
			checkPlace(t, p, taken)
			checkPanel(t, p)
		}
	}
}

// checkPlace makes sure that panels stay on the grid and apart.
func checkPlace(t *testing.T, p panel, taken map[[2]int]string) {
	t.Helper()
	g := p.GridPos
	if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
		t.Errorf("%q is off the grid: %+v", p.Title, g)
	}
	for x := g.X; x < g.X+g.W; x++ {
		for y := g.Y; y < g.Y+g.H; y++ {
			if other, full := taken[[2]int{x, y}]; full {
				t.Errorf("%q lies on %q", p.Title, other)
				return
			}
			taken[[2]int{x, y}] = p.Title
		}
	}
}

func checkPanel(t *testing.T, p panel) {
	t.Helper()
	if p.Type == "row" {
		if p.Title == "" || len(p.Targets)+len(p.Panels) > 0 {
			t.Errorf("row %q: no title, or it holds something", p.Title)
		}
		return
	}
	want := source{"prometheus", "${datasource}"}
	if p.Title == "" || p.Description == "" || p.Datasource == nil || *p.Datasource != want {
		t.Errorf("%q: description %q, data source %v", p.Title, p.Description, p.Datasource)
	}
	if !slices.Contains([]string{"timeseries", "stat", "heatmap", "table"}, p.Type) {
		t.Errorf("%q: type %q", p.Title, p.Type)
	}
	if !slices.Contains([]string{"short", "ops", "reqps", "s", "bytes", "percentunit", ""}, p.FieldConfig.Defaults.Unit) {
		t.Errorf("%q: unit %q", p.Title, p.FieldConfig.Defaults.Unit)
	}
	refs := map[string]bool{}
	for _, target := range p.Targets {
		if target.RefID == "" || refs[target.RefID] || target.Expr == "" || target.Datasource == nil || *target.Datasource != want {
			t.Errorf("%q: target %+v", p.Title, target)
		}
		refs[target.RefID] = true
	}
	if len(refs) == 0 {
		t.Errorf("%q asks for nothing", p.Title)
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

// TestTheScrapeExampleFitsTheServer reads the example as Prometheus would.
func TestTheScrapeExampleFitsTheServer(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../deploy/prometheus/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Global  map[string]string `yaml:"global"`
		Rules   []string          `yaml:"rule_files"`
		Scrapes []struct {
			Job       string   `yaml:"job_name"`
			Path      string   `yaml:"metrics_path"`
			Native    bool     `yaml:"scrape_native_histograms"`
			Classic   bool     `yaml:"always_scrape_classic_histograms"`
			Protocols []string `yaml:"scrape_protocols"`
			Limit     int      `yaml:"sample_limit"`
			Static    []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	in := yaml.NewDecoder(bytes.NewReader(data))
	in.KnownFields(true)
	if err := in.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if len(file.Scrapes) != 1 {
		t.Fatalf("%d jobs", len(file.Scrapes))
	}
	for _, name := range file.Rules {
		if _, err := os.Stat(filepath.Join("../deploy/prometheus", name)); err != nil {
			t.Error(err)
		}
	}
	if len(file.Rules) != 1 {
		t.Errorf("rule files %v", file.Rules)
	}
	job := file.Scrapes[0]
	if job.Job != "poolkeeper" || job.Path != "/metrics" || !job.Native || !job.Classic || job.Protocols[0] != "PrometheusProto" {
		t.Errorf("%+v", job)
	}
	_, port, err := net.SplitHostPort(server.Defaults().AdminListen)
	if err != nil {
		t.Fatal(err)
	}
	if _, got, err := net.SplitHostPort(job.Static[0].Targets[0]); err != nil || got != port {
		t.Errorf("target %s, but the admin listener is on %s", job.Static[0].Targets[0], server.Defaults().AdminListen)
	}
}
