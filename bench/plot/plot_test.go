package plot_test

import (
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/bench/plot"
	"github.com/poolkeeper/poolkeeper/bench/report"
)

func series(plot, name string, y ...float64) *report.Series {
	s := &report.Series{Plot: plot, Name: name}
	for i, v := range y {
		s.X, s.Y, s.Labels = append(s.X, float64(i)), append(s.Y, v), append(s.Labels, name)
	}
	return s
}

func TestEveryPlotIsWellFormedWithoutASeriesThatBreaksIt(t *testing.T) {
	t.Parallel()
	f := &report.Figure{Number: 4, Rows: []*report.Row{{BaselineValue: 50}}, Series: []*report.Series{
		series(report.PlotCold, "a < b & c", 0, 50, 100), series(report.PlotCold, "empty"),
		series(report.PlotSockets, "one", 3), series(report.PlotQuiet, "zero", 0, 0),
		series(report.PlotShares, "shares", 1, 2), series(report.PlotThroughput, "ways", 0, 1.7),
	}}
	plots := plot.All(&report.Run{Figures: []*report.Figure{f}})
	if names := slices.Sorted(maps.Keys(plots)); !slices.Equal(names, []string{"cold", "fairness", "sockets", "throughput"}) {
		t.Errorf("the plots are %q", names)
	}
	for name, svg := range plots {
		decoder := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%s has a place that is no number", name)
		}
	}
	if len(plot.All(&report.Run{})) != 0 {
		t.Error("a run without series has plots")
	}
}
