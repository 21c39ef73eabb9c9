package figures

import (
	"slices"
	"time"

	"github.com/poolkeeper/poolkeeper/bench/measure"
	"github.com/poolkeeper/poolkeeper/bench/report"
	"github.com/poolkeeper/poolkeeper/bench/world"
)

func greatest(seen []world.Sample) (most int) {
	for _, s := range seen {
		most = max(most, s.Sessions)
	}
	return most
}

// longestGap is the longest time between two samples: what is shorter than
// that may have gone unseen.
func longestGap(seen []world.Sample) (gap time.Duration) {
	for i := 1; i < len(seen); i++ {
		gap = max(gap, seen[i].At-seen[i-1].At)
	}
	return gap
}

func sessionsOverTime(name string, seen []world.Sample) *report.Series {
	// A point for several samples is the one with the most sessions: the plot
	// hides no overshoot.
	const points = 300
	together := 1 + len(seen)/points
	s := &report.Series{Plot: report.PlotSockets, Name: name}
	for some := range slices.Chunk(seen, together) {
		most := slices.MaxFunc(some, func(a, b world.Sample) int { return a.Sessions - b.Sessions })
		s.X = append(s.X, measure.Milliseconds(most.At))
		s.Y = append(s.Y, float64(most.Sessions))
	}
	return s
}
