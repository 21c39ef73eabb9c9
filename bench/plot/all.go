package plot

import "github.com/poolkeeper/poolkeeper/bench/report"

// All returns every plot that the run has series for, by its name.
func All(run *report.Run) map[string]string {
	series := map[string][]*report.Series{}
	budget := 0.0
	for _, f := range run.Figures {
		for _, s := range f.Series {
			series[s.Plot] = append(series[s.Plot], s)
		}
		if f.Number == 4 && len(f.Rows) > 0 {
			budget = f.Rows[0].BaselineValue
		}
	}
	plots := map[string]string{}
	if s := series[report.PlotCold]; len(s) > 0 {
		plots["cold"] = coldPlot(s)
	}
	if s := series[report.PlotSockets]; len(s) > 0 {
		plots["sockets"] = socketsPlot(s, budget)
	}
	if s := series[report.PlotThroughput]; len(s) > 0 {
		plots["throughput"] = throughputPlot(s)
	}
	if s := series[report.PlotQuiet]; len(s) > 0 {
		plots["fairness"] = fairnessPlot(s, series[report.PlotShares])
	}
	return plots
}
