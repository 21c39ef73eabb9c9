package figures

import (
	"context"
	"errors"
	"fmt"

	"github.com/poolkeeper/poolkeeper/bench/measure"
	"github.com/poolkeeper/poolkeeper/bench/report"
	"github.com/poolkeeper/poolkeeper/bench/ways"
	"github.com/poolkeeper/poolkeeper/bench/world"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

func (b *Bench) burst(ctx context.Context) (*report.Figure, error) {
	f := &report.Figure{
		Number: 4, Title: "Overshoot: cold tenants at once on a budget",
		Workload: fmt.Sprintf("%d tenants that have never been seen each ask once, all at the same moment, on a budget of %d. Meanwhile a function "+
			"in the server counts the clients' sessions in `pg_stat_activity` every two milliseconds, as far as the processors let it.", b.Scale.Arrivals, world.Budget),
	}
	total := &bursts{}
	for range b.Scale.Rounds {
		b.logf("figure 4")
		o, seen, err := b.burstRound(ctx)
		if err != nil {
			return f, err
		}
		b.checkRows("figure 4", o)
		if o.Failed > 0 {
			f.Note("First of %d errors: %v", o.Failed, o.Err)
		}
		total.add(o, seen)
	}
	total.addRows(f)
	if b.Scale.Naive {
		return f, b.naiveBurst(ctx, f)
	}
	return f, nil
}

// bursts are what all rounds of figure 4 found.
type bursts struct {
	failed                               int
	most, slowest, served, samples, gaps []float64 // by round
	last                                 []world.Sample
}

func (t *bursts) add(o *measure.Outcome, seen []world.Sample) {
	t.failed += o.Failed
	t.most = append(t.most, float64(greatest(seen)))
	t.samples = append(t.samples, float64(len(seen)))
	t.gaps = append(t.gaps, measure.Milliseconds(longestGap(seen)))
	t.slowest = append(t.slowest, measure.Milliseconds(o.Slowest()))
	t.served = append(t.served, measure.Milliseconds(o.Took))
	t.last = seen
}

func (t *bursts) addRows(f *report.Figure) {
	worst := measure.Percentile(t.most, 100)
	f.Add(&report.Row{
		Name: "most sessions at any sampled instant, worst round", Short: "sessions", Value: worst,
		Baseline: "budget", BaselineValue: world.Budget, Ratio: worst / world.Budget, Rounds: len(t.most), Aim: report.AtMost(world.Budget),
		More: map[string]float64{
			"samples a round": measure.Median(t.samples), "longest gap between samples, ms": measure.Percentile(t.gaps, 100),
		},
	})
	f.Add(&report.Row{Name: "errors, all rounds", Short: "errors", Value: float64(t.failed), Aim: report.AtMost(0)})
	f.Add(&report.Row{
		Name: "longest wait, worst round (the aim is the queue's time limit)", Short: "longest wait", Unit: "ms",
		Value: measure.Percentile(t.slowest, 100), Rounds: len(t.slowest),
		Aim: report.AtMost(measure.Milliseconds(pools.Defaults().QueueTimeout)),
	})
	f.Add(&report.Row{Name: "until all were answered", Unit: "ms", Value: measure.Median(t.served), Rounds: len(t.served)})
	f.Series = append(f.Series, sessionsOverTime("Poolkeeper", t.last))
}

// burstRound has all tenants arrive at a new keeper.
func (b *Bench) burstRound(ctx context.Context) (*measure.Outcome, []world.Sample, error) {
	tenants := b.World.Tenants[:b.Scale.Arrivals]
	k, err := b.World.Keeper(ctx, tenants, nil, func(c *pools.Config, _ *registry.Cluster) { c.SQL = b.SQL[0] })
	if err != nil {
		return nil, nil, err
	}
	watch, err := b.World.Watch(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, k.Close())
	}
	o := measure.AtOnce(len(tenants), func(i int) error { return k.Ask(ctx, tenants[i], 1) })
	seen, err := watch.Stop(ctx)
	return o, seen, errors.Join(err, k.Close(), b.World.AwaitQuiet(ctx, 0))
}

// naiveBurst shows what the same arrivals do to a map of pools.
func (b *Bench) naiveBurst(ctx context.Context, f *report.Figure) error {
	b.logf("figure 4: a map of pools")
	tenants := b.World.Tenants[:b.Scale.Arrivals]
	m := ways.NewMap(b.World, world.App)
	watch, err := b.World.Watch(ctx)
	if err != nil {
		return err
	}
	o := measure.AtOnce(len(tenants), func(i int) error {
		name, err := m.Ask(ctx, &tenants[i], 1)
		if err != nil {
			return err
		}
		return measure.Check(tenants[i].Name, name)
	})
	seen, err := watch.Stop(ctx)
	b.checkRows("figure 4, a map of pools", o)
	f.Add(&report.Row{
		Name: "a map of pools for comparison: sessions", Value: float64(greatest(seen)), Rounds: 1,
		Baseline: "budget", BaselineValue: world.Budget, Ratio: float64(greatest(seen)) / world.Budget,
		More: map[string]float64{"failed requests": float64(o.Failed), "sessions that the server takes": world.MaxConnections},
	})
	f.Series = append(f.Series, sessionsOverTime("a map of pools", seen))
	return errors.Join(err, m.Close(), b.World.AwaitQuiet(ctx, 0))
}
