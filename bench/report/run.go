package report

import (
	"fmt"
	"time"
)

// Schema is the version of the JSON's form. It grows when a field changes its
// meaning; new fields do not count.
const Schema = 1

// Run is one run of the benchmark.
type Run struct {
	Schema int `json:"schema"`
	// Mode is full, quick or smoke.
	Mode    string    `json:"mode"`
	Date    time.Time `json:"date"`
	Took    string    `json:"took"`
	Commit  string    `json:"commit"`
	Machine Machine   `json:"machine"`
	// Versions by name: go, postgresql, pgx.
	Versions map[string]string `json:"versions"`
	// Hygiene are the modes of SQL that were measured, and what they mean on
	// this server.
	Hygiene string    `json:"hygiene"`
	Figures []*Figure `json:"figures"`
	// Missed names every row whose aim was missed.
	Missed []string `json:"missed"`
	// Unmeasured says what could not be measured, and why.
	Unmeasured []string `json:"unmeasured"`
	// Failures make the run worthless: wrong rows and unexpected errors.
	Failures []string `json:"failures"`
}

// Figure is one of the ten.
type Figure struct {
	Number   int      `json:"number"`
	Title    string   `json:"title"`
	Workload string   `json:"workload"`
	Rows     []*Row   `json:"rows"`
	Notes    []string `json:"notes,omitempty"`
	// Series are what the plots show.
	Series []*Series `json:"series,omitempty"`
}

// Row is one measured number, beside its baseline's and its aim.
type Row struct {
	Name string `json:"name"`
	// Short is the name in the line of the quick mode; a row without one is
	// not in it.
	Short string  `json:"short,omitempty"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	// Baseline was measured in the same run; its value is in the same unit.
	Baseline      string  `json:"baseline,omitempty"`
	BaselineValue float64 `json:"baseline_value,omitempty"`
	// Ratio is the median of the rounds' ratios of value to baseline, Low and
	// High the least and greatest of them. 0 without a baseline.
	Ratio float64 `json:"ratio,omitempty"`
	Low   float64 `json:"ratio_low,omitempty"`
	High  float64 `json:"ratio_high,omitempty"`
	// Rounds is how many times both were measured.
	Rounds int   `json:"rounds,omitempty"`
	Aim    *Aim  `json:"aim,omitempty"`
	Met    *bool `json:"met,omitempty"`
	// More are further numbers of the same measurement, by name.
	More map[string]float64 `json:"more,omitempty"`
}

// The plots.
const (
	PlotCold       = "cold"       // x: milliseconds, y: % answered within them
	PlotSockets    = "sockets"    // x: milliseconds, y: sessions
	PlotQuiet      = "quiet"      // like cold
	PlotShares     = "shares"     // x: tenant, y: statements per second
	PlotThroughput = "throughput" // x: way, y: ratio to the limit
)

// Series is a line, or a group of bars, of a plot.
type Series struct {
	Plot string    `json:"plot"`
	Name string    `json:"name"`
	X    []float64 `json:"x"`
	Y    []float64 `json:"y"`
	// Labels name the points, where X only numbers them.
	Labels []string `json:"labels,omitempty"`
}

// Aim is what a row should reach.
type Aim struct {
	// Of is ratio or value.
	Of    string  `json:"of"`
	Most  bool    `json:"most"` // at most Bound, else at least
	Bound float64 `json:"bound"`
}

// RatioAtMost is the aim of a ratio that should be small.
func RatioAtMost(bound float64) *Aim { return &Aim{Of: "ratio", Most: true, Bound: bound} }

// RatioAtLeast is the aim of a ratio that should be great.
func RatioAtLeast(bound float64) *Aim { return &Aim{Of: "ratio", Bound: bound} }

// AtMost is the aim of a value that should be small.
func AtMost(bound float64) *Aim { return &Aim{Of: "value", Most: true, Bound: bound} }

// AtLeast is the aim of a value that should be great.
func AtLeast(bound float64) *Aim { return &Aim{Of: "value", Bound: bound} }

// Add appends a row and judges it.
func (f *Figure) Add(r *Row) {
	if r.Aim != nil {
		met := r.Aim.met(r)
		r.Met = &met
	}
	f.Rows = append(f.Rows, r)
}

// Note adds a sentence for people.
func (f *Figure) Note(format string, args ...any) {
	f.Notes = append(f.Notes, fmt.Sprintf(format, args...))
}

func (a *Aim) met(r *Row) bool {
	got := r.Value
	if a.Of == "ratio" {
		got = r.Ratio
	}
	if a.Most {
		return got <= a.Bound
	}
	return got >= a.Bound
}

// Judge fills Missed from the rows.
func (r *Run) Judge() {
	r.Missed = []string{}
	for _, f := range r.Figures {
		for _, row := range f.Rows {
			if row.Met != nil && !*row.Met {
				r.Missed = append(r.Missed, fmt.Sprintf("figure %d, %s: %s, aim %s", f.Number, row.Name, row.result(), row.aim()))
			}
		}
	}
}
