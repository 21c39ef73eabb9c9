package plot

import (
	"fmt"
	"math"
	"strings"

	"github.com/poolkeeper/poolkeeper/bench/report"
)

// throughputPlot draws a group of bars for each workload, as ratios to the
// limit.
func throughputPlot(groups []*report.Series) string {
	const barHeight, rowHeight, head = 18.0, 24.0, 34.0
	height := 104.0
	high := 1.0
	for _, g := range groups {
		height += head + rowHeight*float64(len(g.Y))
		high = max(high, highest([]*report.Series{g}))
	}
	c := newCanvas(760, height, "Right answers per second over HTTP, as a ratio to the limit")
	x := scale{low: 0, high: math.Ceil(high*5) / 5, from: 290, to: 700}
	for _, v := range x.ticks() {
		c.line(x.at(v), 48, x.at(v), height-44, "grid")
		c.text(x.at(v), height-26, "middle", "soft", number(v))
	}
	y := 48.0
	for _, g := range groups {
		c.text(16, y+20, "start", "ink", g.Name)
		y += head
		for i, v := range g.Y {
			c.text(282, y+13, "end", "soft", g.Labels[i])
			c.rect(x.from, y, x.at(v)-x.from, barHeight, barClass(g.Labels[i]))
			c.text(x.at(v)+6, y+13, "start", "ink", fmt.Sprintf("%.2f", v))
			y += rowHeight
		}
	}
	c.line(x.at(1), 48, x.at(1), height-44, "mark")
	c.text(x.at(1), height-8, "middle", "marked", "the limit")
	return c.String()
}

// barClass paints ours and the others apart.
func barClass(name string) string {
	switch {
	case strings.HasPrefix(name, "Poolkeeper, trusted"):
		return "f2"
	case strings.HasPrefix(name, "Poolkeeper"):
		return "f0"
	default:
		return "f4"
	}
}

// fairnessPlot draws the quiet tenants' latencies, with and without the flood,
// and what each tenant got at equal demand.
func fairnessPlot(latency, shares []*report.Series) string {
	c := newCanvas(860, 400, "Fairness")
	c.text(16, 52, "start", "ink", "Quiet tenants, one tenant floods")
	legend(c, 72, 80, latency)
	distributions(c, scale{from: 60, to: 430}, scale{from: 340, to: 140}, latency, "milliseconds (logarithmic)")
	if len(shares) == 0 {
		return c.String()
	}
	c.text(500, 52, "start", "ink", "Equal demand: statements per second")
	s := shares[0]
	n := float64(len(s.Y))
	f := frame{
		scale{low: 0, high: n, from: 540, to: 840},
		scale{low: 0, high: roundUp(highest(shares)), from: 340, to: 140},
	}
	f.draw(c, "tenant", "per second")
	width := (f.x.to - f.x.from) / n
	for i, v := range s.Y {
		c.rect(f.x.from+width*float64(i)+1.5, f.y.at(v), width-3, f.y.from-f.y.at(v), "f0")
	}
	return c.String()
}
