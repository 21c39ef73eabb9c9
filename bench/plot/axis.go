package plot

import (
	"math"
	"strconv"
)

// scale maps values to places on the canvas.
type scale struct {
	low, high float64 // values
	from, to  float64 // places
	log       bool
}

func (s scale) at(value float64) float64 {
	low, high := s.low, s.high
	if s.log {
		value, low, high = math.Log10(max(value, low)), math.Log10(low), math.Log10(high)
	}
	return s.from + (value-low)/(high-low)*(s.to-s.from)
}

// ticks are the values to mark: powers of ten (with 2 and 5 between where
// there is room), or about five round steps.
func (s scale) ticks() []float64 {
	if s.log {
		return s.logTicks()
	}
	step := roundStep((s.high - s.low) / 5)
	var all []float64
	for v := math.Ceil(s.low/step) * step; v <= s.high+step/1e6; v += step {
		all = append(all, v)
	}
	return all
}

func (s scale) logTicks() []float64 {
	between := []float64{1, 2, 5}
	if math.Log10(s.high/s.low) > 3 {
		between = between[:1]
	}
	var all []float64
	for decade := math.Pow(10, math.Floor(math.Log10(s.low))); decade <= s.high; decade *= 10 {
		for _, factor := range between {
			if v := decade * factor; v >= s.low*0.999 && v <= s.high*1.001 {
				all = append(all, v)
			}
		}
	}
	return all
}

// roundStep is the 1, 2 or 5 times a power of ten that is not below x.
func roundStep(x float64) float64 {
	if x <= 0 {
		return 1
	}
	decade := math.Pow(10, math.Floor(math.Log10(x)))
	for _, factor := range []float64{1, 2, 5} {
		if decade*factor >= x*0.999 {
			return decade * factor
		}
	}
	return decade * 10
}

// roundUp is the next tick of a scale that begins at zero.
func roundUp(x float64) float64 {
	step := roundStep(x / 5)
	return math.Ceil(x/step-1e-9) * step
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

// frame is where a plot's lines are drawn, with its axes.
type frame struct{ x, y scale }

// draw draws the grid, the ticks and what the axes mean.
func (f frame) draw(c *canvas, xTitle, yTitle string) {
	for _, v := range f.y.ticks() {
		y := f.y.at(v)
		c.line(f.x.from, y, f.x.to, y, "grid")
		c.text(f.x.from-8, y+4, "end", "soft", number(v))
	}
	for _, v := range f.x.ticks() {
		x := f.x.at(v)
		c.line(x, f.y.from, x, f.y.from+5, "axis")
		c.text(x, f.y.from+20, "middle", "soft", number(v))
	}
	c.line(f.x.from, f.y.from, f.x.to, f.y.from, "axis")
	c.text((f.x.from+f.x.to)/2, f.y.from+42, "middle", "soft", xTitle)
	c.text(f.x.from, f.y.to-10, "start", "soft", yTitle)
}
