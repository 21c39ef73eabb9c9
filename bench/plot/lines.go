package plot

import (
	"math"
	"strconv"

	"github.com/poolkeeper/poolkeeper/bench/report"
)

// lines draws series as lines into a frame.
func lines(c *canvas, f frame, series []*report.Series, steps bool) {
	for i, s := range series {
		var points [][2]float64
		for j := range s.X {
			if steps && j > 0 {
				points = append(points, [2]float64{f.x.at(s.X[j]), f.y.at(s.Y[j-1])})
			}
			points = append(points, [2]float64{f.x.at(s.X[j]), f.y.at(s.Y[j])})
		}
		c.path(points, "s"+strconv.Itoa(i%4))
	}
}

// legend names the series, one below the other.
func legend(c *canvas, x, y float64, series []*report.Series) {
	for i, s := range series {
		c.rect(x, y-9, 18, 4, "f"+strconv.Itoa(i%4))
		c.text(x+26, y-2, "start", "ink", s.Name)
		y += 20
	}
}

// span returns the least and the greatest of the series' values that are
// above zero, on axis x.
func span(series []*report.Series) (low, high float64) {
	low = math.Inf(1)
	for _, s := range series {
		for _, v := range s.X {
			if v > 0 {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if high == 0 { // there are none
		return 1, 10
	}
	return low, high
}

// logSpan is span, widened to ticks.
func logSpan(series []*report.Series) (low, high float64) {
	low, high = span(series)
	if low, high = roundDown125(low), roundStep(high); low == high {
		high *= 10
	}
	return low, high
}

func roundDown125(x float64) float64 {
	decade := math.Pow(10, math.Floor(math.Log10(x)))
	for _, factor := range []float64{5, 2} {
		if decade*factor <= x {
			return decade * factor
		}
	}
	return decade
}

func highest(series []*report.Series) (high float64) {
	for _, s := range series {
		for _, v := range s.Y {
			high = max(high, v)
		}
	}
	return high
}

// distributions draws which share of requests was answered within what time.
func distributions(c *canvas, x, y scale, series []*report.Series, xTitle string) {
	x.log = true
	x.low, x.high = logSpan(series)
	y.low, y.high = 0, 100
	f := frame{x, y}
	f.draw(c, xTitle, "% of requests answered within")
	lines(c, f, series, false)
}

func coldPlot(series []*report.Series) string {
	c := newCanvas(760, 420, "First query of a cold tenant")
	legend(c, 72, 60, series)
	top := 80 + 20*float64(len(series))
	distributions(c, scale{from: 60, to: 730}, scale{from: 360, to: top}, series, "milliseconds (logarithmic)")
	return c.String()
}

func socketsPlot(series []*report.Series, budget float64) string {
	c := newCanvas(760, 400, "Sessions on the server while cold tenants arrive at once")
	legend(c, 72, 60, series)
	_, end := span(series)
	f := frame{
		scale{low: 0, high: end, from: 60, to: 730},
		scale{low: 0, high: roundUp(1.1 * max(budget, highest(series))), from: 340, to: 120},
	}
	f.draw(c, "milliseconds since the arrival", "sessions")
	lines(c, f, series, true)
	y := f.y.at(budget)
	c.line(f.x.from, y, f.x.to, y, "mark")
	c.text(f.x.to, y-6, "end", "marked", "budget "+number(budget))
	return c.String()
}
