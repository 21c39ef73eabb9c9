package figures

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/poolkeeper/poolkeeper/bench/measure"
	"github.com/poolkeeper/poolkeeper/bench/report"
	"github.com/poolkeeper/poolkeeper/bench/world"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

const (
	// fairTenants share what figure 5 has.
	fairTenants = 20
	// floodBudget is one connection for each of them.
	floodBudget = 20
	// floodClients of one tenant ask for slow statements without a pause; it
	// may have as many connections.
	floodClients = 50
	// quietPause is what the client of a quiet tenant rests on average.
	quietPause = 5 * time.Millisecond
	// scarceBudget is half a connection for each tenant.
	scarceBudget = 10
	// equalClients each tenant has when the demand is equal.
	equalClients = 3
)

// slowSQL is a row, and a connection that is taken for 20 ms without using
// the processor: what is measured is the pools' fairness, not the kernel's.
const slowSQL = "SELECT tenant FROM items, pg_sleep(0.02) WHERE id = $1"

func (b *Bench) fairness(ctx context.Context) (*report.Figure, error) {
	f := &report.Figure{
		Number: 5, Title: "Fairness",
		Workload: fmt.Sprintf("The flood: %d tenants on a budget of %d. %d of them are quiet, a client each that asks for a row and rests %v on average; one has %d "+
			"clients without a pause, whose statements take 20 ms. Measured are the quiet ones, with and without the flood in turns. "+
			"Equal demand: the same tenants on a budget of %d, %d clients each without a pause.",
			fairTenants, floodBudget, fairTenants-1, quietPause, floodClients, scarceBudget, equalClients),
	}
	b.logf("figure 5: flood")
	if err := b.flood(ctx, f); err != nil {
		return f, err
	}
	b.logf("figure 5: equal demand")
	return f, b.equalDemand(ctx, f)
}

// flood measures the quiet tenants' latencies with and without a flood.
func (b *Bench) flood(ctx context.Context, f *report.Figure) error {
	k, tenants, err := b.openFlood(ctx)
	if err != nil {
		return err
	}
	quiet := measure.Load{
		Clients: fairTenants - 1, Duration: b.Scale.Fair, Pause: quietPause,
		Ask: func(ctx context.Context, client int, random *rand.Rand) error {
			return k.Ask(ctx, tenants[1+client], 1+random.IntN(world.Rows))
		},
	}
	s := &floodSamples{}
	quiet.Run(ctx) // so that the first round is like the others
	for round := range b.Scale.Rounds {
		quiet.Seed = uint64(round)
		without := quiet.Run(ctx)
		s.add(b.underFlood(ctx, k, tenants[0], quiet, &s.slow), without)
	}
	b.check("figure 5, quiet tenants", &s.calm)
	b.check("figure 5, quiet tenants during the flood", &s.flooded)
	b.check("figure 5, the flood itself", &s.slow)
	s.addRows(f)
	return errors.Join(k.Close(), b.World.AwaitQuiet(ctx, 0))
}

// openFlood opens the keeper; the first tenant may take as many connections
// as it has clients.
func (b *Bench) openFlood(ctx context.Context) (*world.Keeper, []world.Tenant, error) {
	tenants := b.World.Tenants[:fairTenants]
	records := make([]*registry.Tenant, fairTenants)
	for i, t := range tenants {
		records[i] = t.Record()
	}
	records[0].Limits.MaxConns = floodClients
	k, err := b.World.KeeperOf(ctx, records, nil, func(c *pools.Config, cl *registry.Cluster) {
		c.SQL, cl.Budget = b.SQL[0], floodBudget
	})
	return k, tenants, err
}

// floodSamples are what all rounds found.
type floodSamples struct {
	p50, p99            rounds // during the flood, without it
	calm, flooded, slow measure.Outcome
}

func (s *floodSamples) add(with, without *measure.Outcome) {
	s.p50.add(measure.Milliseconds(with.P(50)), measure.Milliseconds(without.P(50)))
	s.p99.add(measure.Milliseconds(with.P(99)), measure.Milliseconds(without.P(99)))
	s.calm.Add(without)
	s.flooded.Add(with)
}

func (s *floodSamples) addRows(f *report.Figure) {
	row := s.p99.row("19 quiet tenants during the flood, p99", "ms", "without the flood")
	row.Short, row.Aim = "quiet p99", report.RatioAtMost(1.5)
	row.More = map[string]float64{
		"slowest ms": measure.Milliseconds(s.flooded.Slowest()), "slowest ms without": measure.Milliseconds(s.calm.Slowest()),
	}
	f.Add(row)
	f.Add(s.p50.row("19 quiet tenants during the flood, p50", "ms", "without the flood"))
	f.Add(&report.Row{Name: "the flood's own statements", Unit: "per second", Value: s.slow.Rate()})
	f.Series = append(f.Series, quietLine("without the flood", &s.calm), quietLine("during the flood", &s.flooded))
}

func quietLine(name string, o *measure.Outcome) *report.Series {
	s := distribution(name, o.Latencies)
	s.Plot = report.PlotQuiet
	return s
}

// underFlood runs the quiet load while one tenant floods.
func (b *Bench) underFlood(ctx context.Context, k *world.Keeper, t world.Tenant, quiet measure.Load, slow *measure.Outcome) *measure.Outcome {
	const before = 200 * time.Millisecond // the flood is there when the others come
	flooding := make(chan *measure.Outcome, 1)
	go func() {
		flooding <- measure.Load{
			Clients: floodClients, Duration: quiet.Duration + 2*before,
			Ask: func(ctx context.Context, _ int, _ *rand.Rand) error { return k.Run(ctx, t, slowSQL, 1) },
		}.Run(ctx)
	}()
	select {
	case <-time.After(before):
	case <-ctx.Done():
	}
	o := quiet.Run(ctx)
	slow.Add(<-flooding)
	return o
}

// equalDemand measures how equally tenants that want the same are served.
func (b *Bench) equalDemand(ctx context.Context, f *report.Figure) error {
	tenants := b.World.Tenants[:fairTenants]
	k, err := b.World.Keeper(ctx, tenants, nil, func(c *pools.Config, cl *registry.Cluster) {
		c.SQL, cl.Budget = b.SQL[0], scarceBudget
	})
	if err != nil {
		return err
	}
	load := measure.Load{
		Clients: fairTenants * equalClients, Duration: b.Scale.Fair,
		Ask: func(ctx context.Context, client int, random *rand.Rand) error {
			return k.Ask(ctx, tenants[client%fairTenants], 1+random.IntN(world.Rows))
		},
	}
	load.Run(ctx)
	var index []float64
	var last []float64
	for round := range b.Scale.Rounds {
		load.Seed = uint64(round)
		o := load.Run(ctx)
		b.check("figure 5, equal demand", o)
		last = byTenant(o)
		index = append(index, measure.Jain(last))
	}
	f.Add(&report.Row{
		Name: "Jain index of the tenants' throughput at equal demand", Short: "Jain", Value: measure.Median(index), Rounds: len(index), Aim: report.AtLeast(0.98),
		More: map[string]float64{
			"lowest index": measure.Percentile(index, 0), "least served per second": measure.Percentile(last, 0),
			"most served per second": measure.Percentile(last, 100),
		},
	})
	shares := &report.Series{Plot: report.PlotShares, Name: "statements per second"}
	for i, rate := range last {
		shares.X, shares.Y = append(shares.X, float64(i+1)), append(shares.Y, rate)
	}
	f.Series = append(f.Series, shares)
	return errors.Join(k.Close(), b.World.AwaitQuiet(ctx, 0))
}

// byTenant sums the clients of each tenant, per second.
func byTenant(o *measure.Outcome) []float64 {
	rates := make([]float64, fairTenants)
	for client, right := range o.Each {
		rates[client%fairTenants] += float64(right) / o.Took.Seconds()
	}
	return rates
}
