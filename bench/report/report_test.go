package report_test

import (
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/bench/report"
)

func exampleRun() *report.Run {
	f := &report.Figure{Number: 6, Title: "Throughput", Workload: "Clients ask."}
	f.Add(&report.Row{
		Name: "hot", Short: "hot", Unit: "requests/s", Value: 1234.5, Baseline: "the limit", BaselineValue: 1200,
		Ratio: 1.03, Low: 0.99, High: 1.05, Rounds: 5, Aim: report.RatioAtLeast(1),
	})
	f.Add(&report.Row{Name: "uniform", Short: "uniform", Unit: "requests/s", Value: 100, Ratio: 0.08, Aim: report.RatioAtLeast(0.5)})
	f.Add(&report.Row{Name: "errors", Short: "errors", Value: 0, Aim: report.AtMost(0)})
	f.Add(&report.Row{Name: "aside", Unit: "ms", Value: 12.34})
	r := &report.Run{Figures: []*report.Figure{f}, Failures: []string{"a row of another tenant"}, Unmeasured: []string{"the rest"}}
	r.Judge()
	return r
}

func TestTheLineHasEachAimBesideItsValue(t *testing.T) {
	t.Parallel()
	const want = "figure 6: hot 1.03×, uniform 0.080×, errors 0 (aim ≥ 1×, ≥ 0.5×, ≤ 0)"
	if line := exampleRun().Figures[0].Line(); line != want {
		t.Errorf("the line is %q, want %q", line, want)
	}
}

func TestAMissedAimIsListedAndSoIsWhatMakesTheRunWorthless(t *testing.T) {
	t.Parallel()
	r := exampleRun()
	if len(r.Missed) != 1 || r.Missed[0] != "figure 6, uniform: 0.080×, aim ≥ 0.5×" {
		t.Errorf("missed are %q", r.Missed)
	}
	text := r.Markdown()
	for _, want := range []string{
		"## Failures: this run is worth nothing\n\n- a row of another tenant\n", "## Aims missed\n\n- figure 6, uniform", "## Not measured\n\n- the rest\n",
		"| hot | 1234 requests/s | the limit: 1200 requests/s | 1.03× | 0.99× – 1.05× | ≥ 1× | met |",
		"| uniform | 100 requests/s | – | 0.080× | – | ≥ 0.5× | **missed** |", "| aside | 12.3 ms | – | – | – | – |  |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the Markdown lacks %q:\n%s", want, text)
		}
	}
}
