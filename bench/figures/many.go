package figures

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/bench/measure"
	"github.com/poolkeeper/poolkeeper/bench/report"
	"github.com/poolkeeper/poolkeeper/bench/world"
	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/registry"
)

// manyRecords returns n records, the first of which are the world's tenants.
func (b *Bench) manyRecords(n int) []*registry.Tenant {
	all := make([]*registry.Tenant, n)
	for i := range all {
		if i < len(b.World.Tenants) {
			all[i] = b.World.Tenants[i].Record()
			continue
		}
		name := fmt.Sprintf("r%06d", i)
		all[i] = world.Tenant{ID: registry.MustParseID(name), Name: name, Schema: "s_" + name}.Record()
	}
	return all
}

// lookedUp returns a registry that has looked up every record.
func (b *Bench) lookedUp(ctx context.Context, source registry.Source) (*registry.Registry, error) {
	known, err := registry.New(world.RegistryConfig(), source, nil)
	if err != nil {
		return nil, err
	}
	for after := (registry.ID{}); ; {
		page, err := source.List(ctx, after, 1000)
		if err != nil || len(page) == 0 {
			return known, err
		}
		for _, t := range page {
			if _, err := known.Tenant(ctx, t.ID); err != nil {
				return nil, err
			}
		}
		after = page[len(page)-1].ID
	}
}

func (b *Bench) many(ctx context.Context) (*report.Figure, error) {
	f := &report.Figure{
		Number: 8, Title: "Many registered tenants",
		Workload: fmt.Sprintf("%d records, of which a few hundred have traffic. Start is from nothing to a source that answers; a lookup is of a record that "+
			"was looked up before, chosen at random; a scrape is one request for the metrics with the default label of the busiest tenants.", b.Scale.Records),
	}
	for _, part := range []func(context.Context, *report.Figure) error{b.startStatic, b.startFile, b.startControl, b.scrape} {
		b.logf("figure 8")
		if err := part(ctx, f); err != nil {
			return f, err
		}
	}
	return f, nil
}

// startStatic measures the start from records in memory, their memory, and
// their lookup.
func (b *Bench) startStatic(ctx context.Context, f *report.Figure) error {
	records := b.manyRecords(b.Scale.Records)
	before := footprintNow()
	began := time.Now()
	source, err := registry.NewStatic(b.World.Clusters(), records...)
	if err != nil {
		return err
	}
	took := time.Since(began)
	alone := footprintNow().per(before, len(records))
	known, err := b.lookedUp(ctx, source)
	if err != nil {
		return err
	}
	cached := footprintNow().per(before, len(records)) // and known is used below
	f.Add(&report.Row{Name: "start from records in memory", Unit: "s", Value: took.Seconds()})
	f.Add(&report.Row{
		Name: "memory of a record", Unit: "bytes", Value: alone.Bytes,
		More: map[string]float64{"bytes with the cached lookup": cached.Bytes},
	})
	setBenchTime(b.Scale.Hot)
	var ns []float64
	for range b.Scale.Rounds {
		r := testing.Benchmark(func(tb *testing.B) {
			for tb.Loop() {
				if _, err := known.Tenant(ctx, records[rand.IntN(len(records))].ID); err != nil { //nolint:gosec // which is no secret
					tb.Fatal(err)
				}
			}
		})
		ns = append(ns, perOp(r))
	}
	f.Add(&report.Row{Name: "lookup of a cached record", Short: "lookup", Unit: "ns", Value: measure.Median(ns), Rounds: len(ns), Aim: report.AtMost(1000)})
	return nil
}

// startFile measures the start from a YAML file.
func (b *Bench) startFile(_ context.Context, f *report.Figure) error {
	folder, err := os.MkdirTemp("", "poolkeeper-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "tenants.yaml")
	var text bytes.Buffer
	text.WriteString("tenants:\n")
	for _, t := range b.manyRecords(b.Scale.Records) {
		fmt.Fprintf(&text, "  %s: {status: active, cluster: %s, isolation: schema, schema: %s}\n", t.ID, t.Cluster, t.Schema)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return err
	}
	began := time.Now()
	source, err := registry.NewFile(registry.FileConfig{Path: path, Clusters: b.World.Clusters()})
	if err != nil {
		return err
	}
	took := time.Since(began)
	if n := source.Count()[registry.StatusActive]; n != b.Scale.Records {
		return fmt.Errorf("the file's source knows %d tenants, not %d", n, b.Scale.Records)
	}
	f.Add(&report.Row{
		Name: "start from a YAML file", Unit: "s", Value: took.Seconds(),
		More: map[string]float64{"MB of file": float64(text.Len()) / 1e6},
	})
	return nil
}

// busyTenants are those with traffic when the metrics are scraped.
const busyTenants = 300

// scrape measures the metrics of a keeper that knows all records.
func (b *Bench) scrape(ctx context.Context, f *report.Figure) error {
	m := metrics.New(metrics.Defaults(), metrics.Build{})
	k, err := b.World.KeeperOf(ctx, b.manyRecords(b.Scale.Records), m, nil)
	if err != nil {
		return err
	}
	m.Watch(k, k.Registry.Count, world.Cluster)
	busy := min(busyTenants, len(b.World.Tenants))
	pick := measure.Uniform(busy)
	o := measure.Load{
		Clients: 8, Duration: max(b.Scale.Load, 200*time.Millisecond),
		Ask: func(ctx context.Context, _ int, random *rand.Rand) error {
			return k.Ask(ctx, b.World.Tenants[pick(random)], 1)
		},
	}.Run(ctx)
	b.check("figure 8", o)
	var took []time.Duration
	size := 0
	for range 20 {
		began := time.Now()
		if size, err = scrapeOnce(ctx, m.Handler()); err != nil {
			return errors.Join(err, k.Close())
		}
		took = append(took, time.Since(began))
	}
	f.Add(&report.Row{
		Name: fmt.Sprintf("scrape of the metrics, %d tenants busy", busy), Short: "scrape", Unit: "ms", Rounds: len(took),
		Value: measure.Milliseconds(measure.Percentile(took, 50)), Aim: report.AtMost(100),
		More: map[string]float64{"slowest ms": measure.Milliseconds(measure.Percentile(took, 100))},
	})
	f.Add(&report.Row{Name: "size of the answer, uncompressed", Unit: "kB", Value: float64(size) / 1000})
	return errors.Join(k.Close(), b.World.AwaitQuiet(ctx, 0))
}

// discard is a ResponseWriter that counts.
type discard struct {
	header http.Header
	status int
	size   int
}

func (d *discard) Header() http.Header { return d.header }

func (d *discard) WriteHeader(status int) { d.status = status }

func (d *discard) Write(b []byte) (int, error) {
	d.size += len(b)
	return len(b), nil
}

func scrapeOnce(ctx context.Context, h http.Handler) (size int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/metrics", http.NoBody)
	if err != nil {
		return 0, err
	}
	w := &discard{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(w, req)
	if w.status != http.StatusOK {
		return 0, fmt.Errorf("the metrics answer %d", w.status)
	}
	return w.size, nil
}
