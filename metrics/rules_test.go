package metrics_test

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// A rule is one alert or one recorded series of deploy/prometheus/rules.yml.
type rule struct {
	Alert       string            `yaml:"alert"`
	Record      string            `yaml:"record"`
	Expr        string            `yaml:"expr"`
	For         time.Duration     `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// rules reads the shipped rules in their order.
func rules(t *testing.T) []rule {
	t.Helper()
	data, err := os.ReadFile("../deploy/prometheus/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	in := yaml.NewDecoder(bytes.NewReader(data))
	in.KnownFields(true)
	if err := in.Decode(&file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are no rules")
	}
	return all
}

func TestEveryRuleMatchesWhatTheServerExports(t *testing.T) {
	t.Parallel()
	series := catalogueOf(t)
	label := regexp.MustCompile(`\$labels\.(\w+)`)
	for _, r := range rules(t) {
		result, err := series.parse(r.Expr)
		if err != nil {
			t.Errorf("%s%s: %v in\n%s", r.Alert, r.Record, err, r.Expr)
			continue
		}
		for _, text := range r.Annotations {
			for _, name := range label.FindAllStringSubmatch(text, -1) {
				if !result[name[1]] {
					t.Errorf("%s: %s is no label of the result %v", r.Alert, name[0], result)
				}
			}
		}
		if r.Record != "" { // later rules may ask for it
			series[r.Record] = map[string]map[string]bool{}
			for name := range result {
				series[r.Record][name] = map[string]bool{}
			}
		}
	}
}

func TestEveryAlertWaitsAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		if !strings.HasPrefix(r.Alert, "Poolkeeper") || r.For < time.Minute {
			t.Errorf("%s: for %v", r.Alert, r.For)
		}
		if s := r.Labels["severity"]; s != "warning" && s != "critical" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s: no summary or no description", r.Alert)
		}
	}
}

// TestEveryRuleHasAUnitTest looks for the cases that promtool runs: each
// alert must be seen both silent and firing, each recorded series in a value.
func TestEveryRuleHasAUnitTest(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../deploy/prometheus/rules.test.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tests []struct {
			Alerts []struct {
				Name     string      `yaml:"alertname"`
				Expected []yaml.Node `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
			Queries []struct {
				Expr    string      `yaml:"expr"`
				Samples []yaml.Node `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		} `yaml:"tests"`
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range file.Tests {
		for _, a := range c.Alerts {
			seen[a.Name+map[bool]string{true: " firing", false: " silent"}[len(a.Expected) > 0]] = true
		}
		for _, q := range c.Queries {
			seen[q.Expr] = len(q.Samples) > 0
		}
	}
	for _, r := range rules(t) {
		for _, want := range []string{r.Alert + " firing", r.Alert + " silent"} {
			if r.Alert != "" && !seen[want] {
				t.Errorf("no unit test has %s", want)
			}
		}
		if r.Record != "" && !seen[r.Record] {
			t.Errorf("no unit test asks for %s", r.Record)
		}
	}
}
