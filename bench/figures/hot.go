package figures

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolkeeper/poolkeeper/bench/report"
	"github.com/poolkeeper/poolkeeper/bench/world"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Hot are warm tenants, and bare pools that are as warm.
type Hot struct {
	tenants []world.Tenant
	keeper  *world.Keeper
	bare    []*pgxpool.Pool
}

// TakeFunc takes a connection of the i-th tenant (modulo their number) and
// gives it back.
type TakeFunc func(ctx context.Context, i int) error

// OpenHot warms n tenants and n bare pools on the world's server. Close it.
func OpenHot(ctx context.Context, w *world.World, n int) (*Hot, error) {
	return openHot(ctx, w, n, nil)
}

// OpenHotFake is OpenHot on a fake server in this process, for more tenants
// than a server has connections: no statement runs, only the taking counts.
func OpenHotFake(ctx context.Context, w *world.World, n int) (*Hot, error) {
	return openHot(ctx, w, n, poolstest.New(w.Server.Version()))
}

func openHot(ctx context.Context, w *world.World, n int, fake *poolstest.Server) (*Hot, error) {
	h := &Hot{tenants: w.Tenants[:n]}
	var err error
	h.keeper, err = w.Keeper(ctx, h.tenants, nil, func(c *pools.Config, cl *registry.Cluster) {
		cl.Budget, c.MaxPools = n+world.Budget, max(c.MaxPools, n)
		if fake != nil {
			c.Dial = fake.Dial
		}
	})
	if err != nil {
		return nil, err
	}
	for range n {
		pool, err := barePool(ctx, w.DSN(world.App), fake)
		if err != nil {
			return nil, errors.Join(err, h.Close())
		}
		h.bare = append(h.bare, pool)
	}
	for i := range n {
		if err := errors.Join(h.Lease(ctx, i), h.Bare(ctx, i)); err != nil {
			return nil, errors.Join(err, h.Close())
		}
	}
	return h, nil
}

// barePool is a pool with every default of the driver.
func barePool(ctx context.Context, dsn string, fake *poolstest.Server) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	if fake != nil {
		cfg.ConnConfig.DialFunc = fake.Dial
	}
	return pgxpool.NewWithConfig(ctx, cfg)
}

// Lease is Poolkeeper's TakeFunc.
func (h *Hot) Lease(ctx context.Context, i int) error {
	return h.keeper.Take(ctx, h.tenants[i%len(h.tenants)])
}

// Bare is the baseline's TakeFunc.
func (h *Hot) Bare(ctx context.Context, i int) error {
	conn, err := h.bare[i%len(h.bare)].Acquire(ctx)
	if err != nil {
		return err
	}
	conn.Release()
	return nil
}

// Close closes the keeper and the pools.
func (h *Hot) Close() error {
	var closing sync.WaitGroup
	for _, pool := range h.bare {
		closing.Go(pool.Close)
	}
	closing.Wait()
	return h.keeper.Close()
}

// Single is a benchmark of one caller, who asks for one tenant after the
// other.
func Single(b *testing.B, take TakeFunc) {
	b.Helper()
	ctx := b.Context()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := take(ctx, i); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// Parallel is a benchmark of a caller per processor. They begin at different
// tenants, so that they do not walk in step.
func Parallel(b *testing.B, take TakeFunc) {
	b.Helper()
	ctx := b.Context()
	var callers atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := int(callers.Add(1)) * 7; pb.Next(); i++ {
			if err := take(ctx, i); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// hotCase is one comparison of figure 1.
type hotCase struct {
	name, short string
	tenants     int
	run         func(*testing.B, TakeFunc)
	aim         *report.Aim
}

func (b *Bench) hot(ctx context.Context) (*report.Figure, error) {
	f := &report.Figure{
		Number: 1, Title: "Lease, acquire and release of a warm tenant",
		Workload: "A caller leases a tenant's pool, takes a connection and gives both back; the baseline takes a connection from one of as many bare " +
			"`pgxpool.Pool`s with the driver's defaults. No statement runs. \"In parallel\" is one caller per processor. Thousand tenants are on a fake server in the " +
			"same process, for both, because no server has a connection for each.",
	}
	setBenchTime(b.Scale.Hot)
	many := min(b.Scale.Tenants, 1000)
	cases := []hotCase{
		{"one caller, 1 tenant", "single", 1, Single, report.RatioAtMost(1.2)},
		{"in parallel, 20 tenants", "parallel over 20", 20, Parallel, report.RatioAtMost(1.2)},
		{fmt.Sprintf("in parallel, %d tenants", many), "", many, Parallel, nil},
	}
	if b.Scale.HotAll {
		cases = append(cases, hotCase{fmt.Sprintf("one caller, %d tenants", many), "", many, Single, nil})
	}
	for _, c := range cases {
		if err := b.hotCase(ctx, f, c); err != nil {
			return f, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return f, nil
}

// setBenchTime is what "go test -benchtime" does.
func setBenchTime(d time.Duration) {
	testing.Init()
	_ = flag.Set("test.benchtime", d.String()) // Init has just made the flag
}

func (b *Bench) hotCase(ctx context.Context, f *report.Figure, c hotCase) error {
	b.logf("figure 1: %s", c.name)
	open := OpenHot
	if c.tenants > world.Budget {
		open = OpenHotFake
	}
	h, err := open(ctx, b.World, c.tenants)
	if err != nil {
		return err
	}
	var ns, allocs rounds
	for range b.Scale.Rounds {
		bare := testing.Benchmark(func(tb *testing.B) { c.run(tb, h.Bare) })
		lease := testing.Benchmark(func(tb *testing.B) { c.run(tb, h.Lease) })
		if bare.N == 0 || lease.N == 0 {
			return errors.Join(errors.New("the benchmark failed"), h.Close())
		}
		ns.add(perOp(lease), perOp(bare))
		allocs.add(float64(lease.AllocsPerOp()), float64(bare.AllocsPerOp()))
	}
	row := ns.row(c.name, "ns", "bare pgxpool")
	row.Short, row.Aim = c.short, c.aim
	f.Add(row)
	more := allocs.row(c.name+", allocations more", "", "")
	f.Add(&report.Row{
		Name: more.Name, Short: short(c.short, "allocations +"), Value: more.Value - more.BaselineValue, Rounds: more.Rounds,
		Aim: report.AtMost(1), More: map[string]float64{"lease": more.Value, "bare pgxpool": more.BaselineValue},
	})
	return h.Close()
}

// perOp keeps the fraction that NsPerOp drops.
func perOp(r testing.BenchmarkResult) float64 { return float64(r.T.Nanoseconds()) / float64(r.N) }

// short names a row in the quick line when what it belongs to is there.
func short(name, with string) string {
	if name == "" {
		return ""
	}
	return name + " " + with
}
