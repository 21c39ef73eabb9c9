package figures

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/bench/measure"
	"github.com/poolkeeper/poolkeeper/bench/report"
	"github.com/poolkeeper/poolkeeper/bench/world"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// coldCase is one variant of figure 2.
type coldCase struct {
	name, short string
	secure      bool // over TLS, with a password
	noHandoff   bool
	own         bool // tenants with a login of their own
	spares      bool
	aim         float64 // of every ratio; 0 means none
	extra       bool    // not in the quick mode
}

func (b *Bench) coldCases() []coldCase {
	all := []coldCase{
		{name: "shared login, handoff, plain", short: "plain", aim: 0.15},
		{name: "shared login, handoff, TLS + SCRAM", short: "TLS", secure: true, aim: 0.08},
		{name: "shared login, handoff off, plain", noHandoff: true, extra: true},
		{name: "own login, no spares, plain", own: true, extra: true},
		{name: "own login, spares, plain", own: true, spares: true, aim: 0.35, extra: true},
	}
	var chosen []coldCase
	for _, c := range all {
		switch {
		case c.extra && !b.Scale.ColdAll:
		case c.secure && b.World.NoTLS != nil:
			b.unmeasuredf("figure 2, %s: this server has no TLS: %v", c.name, b.World.NoTLS)
		case c.spares && !b.World.SetUser:
			b.unmeasuredf("figure 2, %s: the server runs without the extension set_user (-set-user)", c.name)
		default:
			chosen = append(chosen, c)
		}
	}
	return chosen
}

func (b *Bench) cold(ctx context.Context) (*report.Figure, error) {
	f := &report.Figure{
		Number: 2, Title: "First query of a cold tenant",
		Workload: fmt.Sprintf("A tenant without a pool and without a connection reads one row. The shared login's budget of %d is full of other tenants' idle connections, "+
			"so that a handoff serves; tenants with a login of their own find room in twice that, have connected once before, and find all spares "+
			"ready where there are any. The baseline opens a new connection with the driver and reads the same row. "+
			"One by one, and %d tenants at once.", world.Budget, b.Scale.ColdAtOnce),
	}
	for _, c := range b.coldCases() {
		b.logf("figure 2: %s", c.name)
		if err := b.coldCase(ctx, f, c); err != nil {
			return f, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return f, nil
}

// coldSamples are one variant's latencies over all rounds.
type coldSamples struct {
	each, burst [2]*measure.Outcome // ours, the baseline's
	p50, p99    [2]rounds           // of each, of burst
}

func (b *Bench) coldCase(ctx context.Context, f *report.Figure, c coldCase) error {
	s := &coldSamples{each: newOutcomes(), burst: newOutcomes()}
	for range b.Scale.Rounds {
		if err := b.coldRound(ctx, c, s); err != nil {
			return err
		}
	}
	for _, o := range []*measure.Outcome{s.each[0], s.each[1], s.burst[0], s.burst[1]} {
		b.check("figure 2, "+c.name, o)
	}
	baseline := "new connection"
	if c.secure {
		baseline = "new connection, TLS + SCRAM"
	}
	for i, how := range []string{"one by one", fmt.Sprintf("%d at once", b.Scale.ColdAtOnce)} {
		for _, p := range []struct {
			name string
			rounds
		}{{"p50", s.p50[i]}, {"p99", s.p99[i]}} {
			row := p.row(c.name+", "+how+", "+p.name, "ms", baseline)
			if c.aim > 0 {
				row.Aim = report.RatioAtMost(c.aim)
			}
			if c.short != "" && p.name == "p50" {
				row.Short = c.short + " " + how
			}
			f.Add(row)
		}
	}
	if !c.noHandoff && !c.own {
		f.Series = append(f.Series, distribution(c.name, s.each[0].Latencies), distribution(baseline, s.each[1].Latencies))
	}
	return nil
}

func newOutcomes() [2]*measure.Outcome { return [2]*measure.Outcome{{}, {}} }

// distribution is a line of the plot: which share was served within what.
func distribution(name string, took []time.Duration) *report.Series {
	const steps = 100
	s := &report.Series{Plot: report.PlotCold, Name: name}
	for i, d := range measure.Quantiles(took, steps) {
		s.X = append(s.X, measure.Milliseconds(d))
		s.Y = append(s.Y, 100*float64(i)/steps)
	}
	return s
}

// coldRound measures one round on a keeper of its own, so that every tenant
// is new to it.
func (b *Bench) coldRound(ctx context.Context, c coldCase, s *coldSamples) error {
	r, err := b.openCold(ctx, c)
	if err != nil {
		return err
	}
	err = errors.Join(r.oneByOne(ctx, b.Scale, s), r.atOnce(ctx, b.Scale, s), r.keeper.Close())
	if err != nil {
		return err
	}
	return b.World.AwaitQuiet(ctx, 0)
}

// coldRun is a keeper with tenants that it has not seen.
type coldRun struct {
	coldCase
	world  *world.World
	keeper *world.Keeper
	fresh  []world.Tenant // not asked yet
	ready  int            // spares that the keeper means to have
	dial   *pgx.ConnConfig
}

// openCold opens the keeper and prepares it.
func (b *Bench) openCold(ctx context.Context, c coldCase) (*coldRun, error) {
	w := b.World
	r := &coldRun{coldCase: c, world: w, fresh: w.Tenants}
	if c.own {
		r.fresh = w.Owners
	}
	dsn := w.DSN(world.App)
	if c.secure {
		dsn = w.SecureDSN(world.App)
	}
	var err error
	if r.dial, err = pgx.ParseConfig(dsn); err != nil {
		return nil, err
	}
	if c.spares {
		r.ready = b.Scale.ColdAtOnce
	}
	r.keeper, err = w.Keeper(ctx, r.fresh, nil, func(cfg *pools.Config, cl *registry.Cluster) {
		cfg.SQL, cfg.Handoff, cl.DSN = b.SQL[0], !c.noHandoff, registry.NewSecret(dsn)
		if c.own {
			cl.Budget = 2 * world.Budget
		}
		if r.ready > 0 {
			cl.Spares, cl.SpareDSN = r.ready, registry.NewSecret(w.GatewayDSN())
		}
	})
	if err != nil {
		return nil, err
	}
	if err := r.prepare(ctx); err != nil {
		return nil, errors.Join(err, r.keeper.Close())
	}
	return r, nil
}

// prepare fills the budget with the connections of other tenants, or has each
// owner's login be seen once: a spare becomes nobody's who was not let in by
// the server before.
func (r *coldRun) prepare(ctx context.Context) error {
	if r.own {
		for _, t := range r.fresh {
			if err := r.keeper.Ask(ctx, t, 1); err != nil {
				return err
			}
			r.keeper.Evict(t.ID)
		}
		return nil
	}
	full := min(world.Budget, len(r.fresh)/2)
	err := r.keeper.Warm(ctx, r.fresh[:full])
	r.fresh = r.fresh[full:]
	return err
}

// block is how many are asked in turn before the baseline has its turn.
const block = 25

func (r *coldRun) oneByOne(ctx context.Context, scale Scale, s *coldSamples) error {
	ours, baseline := &measure.Outcome{}, &measure.Outcome{}
	for left := scale.ColdEach; left > 0; left -= block {
		n := min(block, left)
		if err := r.blockOf(ctx, n, 1, ours, baseline); err != nil {
			return err
		}
	}
	s.add(0, s.each, ours, baseline)
	return nil
}

func (r *coldRun) atOnce(ctx context.Context, scale Scale, s *coldSamples) error {
	ours, baseline := &measure.Outcome{}, &measure.Outcome{}
	for range scale.ColdBursts {
		if err := r.blockOf(ctx, scale.ColdAtOnce, scale.ColdAtOnce, ours, baseline); err != nil {
			return err
		}
	}
	s.add(1, s.burst, ours, baseline)
	return nil
}

// add counts a round: how is 0 one by one, 1 at once.
func (s *coldSamples) add(how int, all [2]*measure.Outcome, ours, baseline *measure.Outcome) {
	all[0].Add(ours)
	all[1].Add(baseline)
	s.p50[how].add(measure.Milliseconds(ours.P(50)), measure.Milliseconds(baseline.P(50)))
	s.p99[how].add(measure.Milliseconds(ours.P(99)), measure.Milliseconds(baseline.P(99)))
}

// blockOf asks for n new tenants, then opens n connections, together at once.
func (r *coldRun) blockOf(ctx context.Context, n, together int, ours, baseline *measure.Outcome) error {
	if n = min(n, len(r.fresh)); n == 0 {
		return nil
	}
	tenants := r.fresh[:n]
	r.fresh = r.fresh[n:]
	if err := r.settle(ctx, tenants); err != nil {
		return err
	}
	many := func(ask func(i int) error) *measure.Outcome {
		if together > 1 {
			return measure.AtOnce(n, ask)
		}
		return measure.OneByOne(n, func() error { return r.awaitSpares(ctx) }, ask)
	}
	ours.Add(many(func(i int) error { return r.keeper.Ask(ctx, tenants[i], 1) }))
	return r.newConnections(ctx, many, tenants, baseline)
}

// newConnections is the baseline. The connections are closed afterwards, and
// seen off.
func (r *coldRun) newConnections(ctx context.Context, many func(func(int) error) *measure.Outcome,
	tenants []world.Tenant, baseline *measure.Outcome,
) error {
	var mu sync.Mutex
	var opened []*pgx.Conn
	baseline.Add(many(func(i int) error {
		conn, err := pgx.ConnectConfig(ctx, r.dial.Copy())
		if err != nil {
			return err
		}
		mu.Lock()
		opened = append(opened, conn)
		mu.Unlock()
		return askConn(ctx, conn, tenants[i])
	}))
	var backends []int32
	for _, conn := range opened {
		backends = append(backends, int32(conn.PgConn().PID())) //nolint:gosec // PostgreSQL's own type of it
		_ = conn.Close(ctx)                                     // its answers were what counted
	}
	return r.world.AwaitGone(ctx, backends)
}
