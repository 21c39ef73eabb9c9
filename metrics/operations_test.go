package metrics_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/metrics"
)

// A rate sees only what is counted on a series that was there before.
func TestEveryKindOfOperationHasSeriesFromTheStart(t *testing.T) {
	t.Parallel()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	if families(t, m)["poolkeeper_operations_total"] != nil {
		t.Error("without a control database there are operations")
	}
	m.WatchControl(func() metrics.Control { return metrics.Control{} })
	begun := map[string]bool{}
	for _, metric := range families(t, m)["poolkeeper_operations_total"].GetMetric() {
		for _, l := range metric.GetLabel() {
			begun[l.GetName()+" "+l.GetValue()] = true
		}
	}
	kinds := 0
	for _, kind := range kindsInSource(t) {
		kinds++
		if !begun["kind "+kind] {
			t.Errorf("operations of kind %s begin with their first end", kind)
		}
	}
	for _, outcome := range []string{"done", "failed", "interrupted", "cancelled", "busy"} {
		if !begun["outcome "+outcome] {
			t.Errorf("none can be %s", outcome)
		}
	}
	if kinds < 10 {
		t.Errorf("only %d kinds were found", kinds)
	}
}

// kindsInSource are the kinds of operations that the operator begins.
func kindsInSource(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../onboard/lifecycle/*.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`(?:Kind: |beginProvision\(ctx, by, )"(\w+)"`)
	var kinds []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range named.FindAllStringSubmatch(string(text), -1) {
			kinds = append(kinds, found[1])
		}
	}
	return kinds
}

func TestWhatWasNeverConfirmedHasNoTime(t *testing.T) {
	t.Parallel()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	how := metrics.Control{}
	m.WatchControl(func() metrics.Control { return how })
	if families(t, m)["poolkeeper_control_confirmed_timestamp_seconds"] != nil {
		t.Error("it has one")
	}
	how = metrics.Control{Confirmed: time.Unix(1_700_000_000, 500_000_000)}
	f := families(t, m)
	if got := f["poolkeeper_control_confirmed_timestamp_seconds"].GetMetric()[0].GetGauge().GetValue(); got != 1_700_000_000.5 {
		t.Errorf("confirmed at %f", got)
	}
	if f["poolkeeper_control_fresh"].GetMetric()[0].GetGauge().GetValue() != 0 || f["poolkeeper_control_listening"].GetMetric()[0].GetGauge().GetValue() != 0 {
		t.Error("fresh, or listening")
	}
}

func TestAnOperationIsRunningUntilItEnds(t *testing.T) {
	t.Parallel()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	running := func() float64 {
		return families(t, m)["poolkeeper_operations_running"].GetMetric()[0].GetGauge().GetValue()
	}
	m.OperationBegan("add")
	m.OperationBegan("add")
	m.OperationEnded("add", "cancelled")
	if got := running(); got != 1 {
		t.Errorf("%v are running", got)
	}
	m.OperationEnded("add", "done")
	if got := running(); got != 0 {
		t.Errorf("%v are running after the last", got)
	}
}
