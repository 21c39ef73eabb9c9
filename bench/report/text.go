package report

import (
	"fmt"
	"strconv"
	"strings"
)

// Line is the figure in one line: its rows with an aim. A figure that has
// none says so.
func (f *Figure) Line() string {
	var values, aims []string
	for _, row := range f.Rows {
		if row.Short == "" {
			continue
		}
		values = append(values, row.Short+" "+row.result())
		aims = append(aims, row.aim())
	}
	if len(values) == 0 {
		return fmt.Sprintf("figure %d: %d rows reported (aim none)", f.Number, len(f.Rows))
	}
	return fmt.Sprintf("figure %d: %s (aim %s)", f.Number, strings.Join(values, ", "), strings.Join(aims, ", "))
}

// result is what the aim is about: the ratio, or the value.
func (r *Row) result() string {
	if r.Ratio != 0 && (r.Aim == nil || r.Aim.Of == "ratio") {
		return times(r.Ratio)
	}
	return quantity(r.Value, r.Unit)
}

// aim as people read it.
func (r *Row) aim() string {
	if r.Aim == nil {
		return "–"
	}
	sign := "≥ "
	if r.Aim.Most {
		sign = "≤ "
	}
	if r.Aim.Of == "ratio" {
		return sign + strconv.FormatFloat(r.Aim.Bound, 'g', -1, 64) + "×"
	}
	return sign + quantity(r.Aim.Bound, r.Unit)
}

func times(x float64) string {
	if x < 0.1 {
		return strconv.FormatFloat(x, 'f', 3, 64) + "×"
	}
	return strconv.FormatFloat(x, 'f', 2, 64) + "×"
}

// quantity writes a value with a readable number of digits and its unit.
func quantity(x float64, unit string) string {
	text := digits(x)
	if unit == "" {
		return text
	}
	return text + " " + unit
}

func digits(x float64) string {
	size := x
	if size < 0 {
		size = -size
	}
	switch {
	case x == float64(int64(x)) && size < 1e6:
		return strconv.FormatInt(int64(x), 10)
	case size >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case size >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case size >= 1:
		return strconv.FormatFloat(x, 'f', 2, 64)
	default:
		return strconv.FormatFloat(x, 'f', 3, 64)
	}
}
