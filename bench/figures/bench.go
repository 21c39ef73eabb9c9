package figures

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/poolkeeper/poolkeeper/bench/measure"
	"github.com/poolkeeper/poolkeeper/bench/report"
	"github.com/poolkeeper/poolkeeper/bench/world"
	"github.com/poolkeeper/poolkeeper/pools"
)

// Bench measures figures on a world.
type Bench struct {
	World *world.World
	Scale Scale
	// SQL are the hygiene modes that figure 6 measures; the first is that of
	// the other figures.
	SQL []pools.SQL
	// Workloads and Ways choose among those of figure 6; empty means all of
	// the scale's. A way is chosen by a part of its name.
	Workloads, Ways []string
	// Log is told what is measured now.
	Log func(format string, args ...any)

	failures, unmeasured []string
}

// All are the numbers of the figures.
func All() []int { return []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10} }

// figureFunc measures one figure, or two that come of one measurement.
type figureFunc func(b *Bench, ctx context.Context) ([]*report.Figure, error)

func single(f func(b *Bench, ctx context.Context) (*report.Figure, error)) figureFunc {
	return func(b *Bench, ctx context.Context) ([]*report.Figure, error) {
		figure, err := f(b, ctx)
		return []*report.Figure{figure}, err
	}
}

// functions returns what measures which figures. Figure 7 comes with 6.
func functions() map[int]figureFunc {
	return map[int]figureFunc{
		1: single((*Bench).hot), 2: single((*Bench).cold), 3: single((*Bench).memory), 4: single((*Bench).burst),
		5: single((*Bench).fairness), 6: (*Bench).overHTTP, 8: single((*Bench).many),
		9: single((*Bench).fleet), 10: single((*Bench).signup),
	}
}

// Run measures the figures with the given numbers. The error is that of a
// context that ended; what a figure found to be wrong is in the run's
// Failures. done, which may be nil, gets each figure as soon as it is there.
func (b *Bench) Run(ctx context.Context, numbers []int, done func(*report.Figure)) (*report.Run, error) {
	began := time.Now()
	run := &report.Run{
		Schema: report.Schema, Mode: b.Scale.Name, Date: began, Commit: report.Commit(ctx),
		Machine: report.ThisMachine(), Versions: report.Versions(), Hygiene: b.hygiene(),
	}
	run.Versions["postgresql"] = b.World.Server.Binaries().Version
	for _, number := range numbers {
		if number == 7 && slices.Contains(numbers, 6) {
			continue
		}
		found, err := b.figure(ctx, number)
		if ctx.Err() != nil {
			return run, fmt.Errorf("figure %d: %w", number, errors.Join(err, ctx.Err()))
		}
		b.fail(fmt.Sprintf("figure %d", number), err) // the others are measured all the same
		for _, f := range found {
			run.Figures = append(run.Figures, f)
			if done != nil && slices.Contains(numbers, f.Number) {
				done(f)
			}
		}
	}
	slices.SortStableFunc(run.Figures, func(a, b *report.Figure) int { return a.Number - b.Number })
	run.Took = time.Since(began).Round(time.Second).String()
	run.Unmeasured, run.Failures = b.unmeasured, b.failures
	run.Judge()
	return run, nil
}

// figure measures under a label, so that a profile can be looked at by figure.
func (b *Bench) figure(ctx context.Context, number int) (found []*report.Figure, err error) {
	if number == 7 {
		number = 6
	}
	measureFigure, ok := functions()[number]
	if !ok {
		return nil, errors.New("there is no such figure; they are 1 to 10")
	}
	pprof.Do(ctx, pprof.Labels("figure", strconv.Itoa(number)), func(ctx context.Context) {
		found, err = measureFigure(b, ctx)
	})
	return found, err
}

func (b *Bench) logf(format string, args ...any) {
	if b.Log != nil {
		b.Log(format, args...)
	}
}

// fail notes what makes the run worthless.
func (b *Bench) fail(where string, err error) {
	if err != nil {
		b.failures = append(b.failures, fmt.Sprintf("%s: %v", where, err))
	}
}

// check notes the wrong rows and the errors of a load that should have none.
func (b *Bench) check(where string, o *measure.Outcome) {
	if o.Wrong+o.Failed > 0 {
		b.fail(where, fmt.Errorf("%d wrong rows, %d errors in %d requests; first: %w",
			o.Wrong, o.Failed, o.Wrong+o.Failed+o.Right, o.Err))
	}
}

// checkRows notes the wrong rows of a load whose errors are counted.
func (b *Bench) checkRows(where string, o *measure.Outcome) {
	if o.Wrong > 0 {
		b.fail(where, fmt.Errorf("%d wrong rows; first: %w", o.Wrong, o.Err))
	}
}

// unmeasuredf notes what could not be measured.
func (b *Bench) unmeasuredf(format string, args ...any) {
	b.unmeasured = append(b.unmeasured, fmt.Sprintf(format, args...))
}

// hygiene says what the modes of SQL mean on this server.
func (b *Bench) hygiene() string {
	var modes []string
	for _, sql := range b.SQL {
		modes = append(modes, string(sql))
	}
	names := strings.Join(modes, " and ")
	if b.World.Server.Version() >= 18 {
		return names + " SQL: untrusted is reset, pinned again and checked after every use; trusted is checked by what PostgreSQL 18 reports"
	}
	return names + " SQL: reset, pinned again and checked after every use (trusted SQL is treated alike before PostgreSQL 18)"
}

// rounds are a way's and its baseline's values, round by round.
type rounds struct{ values, baseline []float64 }

func (r *rounds) add(value, baseline float64) {
	r.values = append(r.values, value)
	r.baseline = append(r.baseline, baseline)
}

// row makes the rounds a row: medians, and the median of the ratios.
func (r *rounds) row(name, unit, baseline string) *report.Row {
	var ratios []float64
	for i, value := range r.values {
		if r.baseline[i] > 0 {
			ratios = append(ratios, value/r.baseline[i])
		}
	}
	row := &report.Row{
		Name: name, Unit: unit, Value: measure.Median(r.values),
		Baseline: baseline, BaselineValue: measure.Median(r.baseline),
		Ratio: measure.Median(ratios), Rounds: len(r.values),
	}
	if len(ratios) > 0 {
		row.Low, row.High = slices.Min(ratios), slices.Max(ratios)
	}
	return row
}
