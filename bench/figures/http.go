package figures

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"slices"
	"strings"

	"github.com/poolkeeper/poolkeeper/bench/measure"
	"github.com/poolkeeper/poolkeeper/bench/report"
	"github.com/poolkeeper/poolkeeper/bench/ways"
	"github.com/poolkeeper/poolkeeper/bench/world"
)

// The workloads of figure 6.
const (
	WorkloadHot     = "hot"
	WorkloadZipf    = "zipf"
	WorkloadUniform = "uniform"
)

// httpClients ask at the same time in figure 6.
const httpClients = 32

// workload is one way in which tenants are busy.
type workload struct {
	name string
	text string
	pick measure.PickFunc
	aim  float64
}

func workloads(tenants int) []workload {
	hot := min(20, tenants)
	return []workload{
		{WorkloadHot, fmt.Sprintf("%d hot tenants", hot), measure.Uniform(hot), 1.0},
		{WorkloadZipf, fmt.Sprintf("%d tenants, Zipf(1.1)", tenants), measure.Zipf(tenants, 1.1), 0.85},
		{WorkloadUniform, fmt.Sprintf("%d tenants, uniform", tenants), measure.Uniform(tenants), 0.5},
	}
}

// overHTTP measures figures 6 and 7.
func (b *Bench) overHTTP(ctx context.Context) ([]*report.Figure, error) {
	throughput := &report.Figure{
		Number: 6, Title: "Throughput over HTTP",
		Workload: fmt.Sprintf("%d clients ask one request after the other over kept connections; a Gin handler reads one row of the request's tenant; each way has at most %d "+
			"connections. The limit is one shared pool with schema-qualified SQL and statements that are all prepared: no tenancy at all. Ways take turns; only right "+
			"answers count. Clients, servers and PostgreSQL share the machine.", httpClients, world.Budget),
	}
	events := &report.Figure{
		Number: 7, Title: "What Poolkeeper did during figure 6",
		Workload: "Counted by an observer of the keeper while figure 6 was measured, warming excluded.",
	}
	wanted := b.Workloads
	if len(wanted) == 0 {
		wanted = b.Scale.Workloads
	}
	for _, load := range workloads(len(b.World.Tenants)) {
		if !slices.Contains(wanted, load.name) {
			continue
		}
		if err := b.workload(ctx, load, throughput, events); err != nil {
			return []*report.Figure{throughput, events}, fmt.Errorf("%s: %w", load.name, err)
		}
	}
	return []*report.Figure{throughput, events}, nil
}

// contender is a way with what was measured of it.
type contender struct {
	*ways.Way
	client   *webClient
	rate     []float64
	p50, p99 []float64
	total    measure.Outcome
	did      world.Count
}

func (b *Bench) workload(ctx context.Context, load workload, throughput, events *report.Figure) error {
	all, err := b.contenders(ctx)
	closeAll := func() error {
		var errs []error
		for _, c := range all {
			c.client.close()
			errs = append(errs, c.Close())
		}
		return errors.Join(append(errs, b.World.AwaitQuiet(ctx, 0))...)
	}
	if err != nil {
		return errors.Join(err, closeAll())
	}
	for _, c := range all {
		b.logf("figure 6: %s: warming %s", load.name, c.Name)
		if err := b.warm(ctx, load, c); err != nil {
			return errors.Join(fmt.Errorf("warming %s: %w", c.Name, err), closeAll())
		}
	}
	for round := range b.Scale.Rounds {
		b.logf("figure 6: %s: round %d", load.name, round+1)
		for _, c := range all {
			b.measureWay(ctx, load, c, uint64(round))
		}
	}
	b.addRows(load, all, throughput, events)
	return closeAll()
}

// opener opens a way.
type opener struct {
	name string
	open func(context.Context) (*ways.Way, error)
}

// openers of the limit and of the ways that are wanted.
func (b *Bench) openers() []opener {
	w := b.World
	all := []opener{{ways.LimitName, func(ctx context.Context) (*ways.Way, error) { return ways.Limit(ctx, w, httpClients) }}}
	for _, sql := range b.SQL {
		all = append(all, opener{ways.PoolkeeperName(sql), func(ctx context.Context) (*ways.Way, error) { return ways.Poolkeeper(ctx, w, sql) }})
	}
	if b.Scale.Naive {
		all = append(all,
			opener{"SET LOCAL", func(ctx context.Context) (*ways.Way, error) { return ways.SetLocal(ctx, w) }},
			opener{"SET search_path", func(ctx context.Context) (*ways.Way, error) { return ways.SetSearchPath(ctx, w) }},
			opener{"a map of pools", func(ctx context.Context) (*ways.Way, error) { return ways.MapOfPools(ctx, w) }},
		)
	}
	return slices.DeleteFunc(all, func(o opener) bool {
		chosen := len(b.Ways) == 0 || o.name == ways.LimitName ||
			slices.ContainsFunc(b.Ways, func(part string) bool { return strings.Contains(o.name, part) })
		return !chosen
	})
}

// contenders opens them.
func (b *Bench) contenders(ctx context.Context) ([]*contender, error) {
	var all []*contender
	for _, o := range b.openers() {
		var way *ways.Way
		var err error
		// What the server does is found in a profile by its way.
		pprof.Do(ctx, pprof.Labels("way", o.name), func(ctx context.Context) { way, err = o.open(ctx) })
		if err != nil {
			return all, err
		}
		all = append(all, &contender{Way: way, client: newWebClient(way.URL, b.World.Tenants)})
	}
	return all, nil
}
