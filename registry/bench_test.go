package registry_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/sourcetest"
)

func manyTenants(n int) []byte {
	var b strings.Builder
	b.WriteString("plans:\n  small: {cluster: main, isolation: schema, limits: {max_conns: 2}}\ntenants:\n")
	for i := range n {
		fmt.Fprintf(&b, `  tenant-%d:
    name: Tenant number %d
    plan: small
    login: tenant_%d
    password: secret-%d
    limits:
      queue: 10
      statement_timeout: 30s
    labels: {tier: gold, Region: EU}
`, i, i, i, i)
	}
	return []byte(b.String())
}

// Ten times the tenants take about ten times as long, not a hundred times: how
// long that is, is the machine's affair, and BenchmarkParse's. What else it does
// may hold up one measurement, not three.
func TestTenThousandTenantsAreReadQuickly(t *testing.T) {
	const n = 10_000
	whole, part := manyTenants(n), manyTenants(n/10)
	read := func(data []byte, want, times int) time.Duration {
		began := time.Now()
		for range times {
			tenants, err := registry.Parse("f", data, sourcetest.Clusters())
			must(t, err)
			if len(tenants) != want {
				t.Errorf("%d tenants, want %d", len(tenants), want)
			}
		}
		return time.Since(began)
	}
	for range 3 {
		inParts, asOne := read(part, n/10, 10), read(whole, n, 1)
		t.Logf("%d tenants take %v in ten files and %v in one", n, inParts, asOne)
		if asOne < 5*inParts {
			return
		}
	}
	t.Error("reading takes longer, the more tenants there are in a file")
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("tenants=%d", n), func(b *testing.B) {
			data := manyTenants(n)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := registry.Parse("f", data, sourcetest.Clusters()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// counting observes as metrics will: with an atomic add.
type counting struct{ n atomic.Int64 }

func (c *counting) Lookup(string) { c.n.Add(1) }

func filled(b *testing.B, n int, obs registry.Observer) (*registry.Registry, []registry.ID) {
	b.Helper()
	var tenants []*registry.Tenant
	var ids []registry.ID
	for i := range n {
		t := tenant(fmt.Sprintf("tenant-%d", i))
		tenants, ids = append(tenants, t), append(ids, t.ID)
	}
	cfg := registry.Defaults()
	cfg.TTL, cfg.NegativeTTL = time.Hour, time.Hour
	r, err := registry.New(cfg, newStatic(b, tenants...), obs)
	if err != nil {
		b.Fatal(err)
	}
	for _, id := range ids {
		if _, err := r.Tenant(b.Context(), id); err != nil {
			b.Fatal(err)
		}
	}
	return r, ids
}

func BenchmarkTenantHit(b *testing.B) {
	for _, n := range []int{1, 1000, 10_000} {
		b.Run(fmt.Sprintf("tenants=%d", n), func(b *testing.B) {
			r, ids := filled(b, n, &counting{})
			ctx := b.Context()
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i += 7 {
					if _, err := r.Tenant(ctx, ids[i%n]); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkTenantHitSerial(b *testing.B) {
	r, ids := filled(b, 1000, nil)
	ctx := b.Context()
	b.ReportAllocs()
	for i := 0; b.Loop(); i += 7 {
		if _, err := r.Tenant(ctx, ids[i%1000]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemoryOfATenant reports what each registered tenant costs: in the
// source, as records of a file are, and in the cache in front of it.
func BenchmarkMemoryOfATenant(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("tenants=%d", n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "config.yaml")
			if err := os.WriteFile(path, manyTenants(n), 0o600); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				source, cache := memoryOf(b, path, n)
				b.ReportMetric(source/float64(n), "source-B/tenant")
				b.ReportMetric(cache/float64(n), "cache-B/tenant")
			}
		})
	}
}

// memoryOf measures the heap of a source of n tenants, and of a cache that
// holds them all.
func memoryOf(b *testing.B, path string, n int) (source, cache float64) {
	b.Helper()
	empty := heap()
	file, err := registry.NewFile(registry.FileConfig{Path: path, Clusters: sourcetest.Clusters()})
	if err != nil {
		b.Fatal(err)
	}
	full := heap()
	cfg := registry.Defaults()
	cfg.Size, cfg.TTL = n, time.Hour
	r, err := registry.New(cfg, file, nil)
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		if _, err := r.Tenant(b.Context(), registry.MustParseID(fmt.Sprintf("tenant-%d", i))); err != nil {
			b.Fatal(err)
		}
	}
	cached := heap()
	if known, _ := r.Cached(); known != n {
		b.Fatalf("%d of %d are cached", known, n)
	}
	return full - empty, cached - full
}

// heap is what is in use once nothing is left to collect; twice, because
// handles of unique go a collection later.
func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func BenchmarkNegativeHit(b *testing.B) {
	r, _ := filled(b, 1, nil)
	ctx, nobody := b.Context(), registry.MustParseID("nobody")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Tenant(ctx, nobody); err == nil {
			b.Fatal("found")
		}
	}
}

func BenchmarkFloodOfUnknownIDs(b *testing.B) {
	r, _ := filled(b, 1, nil)
	ctx := b.Context()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := r.Tenant(ctx, registry.MustParseID(fmt.Sprintf("x-%d", i))); err == nil {
			b.Fatal("found")
		}
	}
}

func TestAHitAllocatesNothing(t *testing.T) {
	r := newRegistry(t, newStatic(t, tenant("acme")), nil)
	nobody := registry.MustParseID("nobody")
	ctx := t.Context()
	lookups := func() {
		_, _ = r.Tenant(ctx, acme)
		_, _ = r.Tenant(ctx, nobody)
	}
	lookups()
	if n := testing.AllocsPerRun(1000, lookups); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func manyRecords(n int) []*registry.Tenant {
	tenants := make([]*registry.Tenant, n)
	for i := range tenants {
		t := tenant(fmt.Sprintf("tenant-%d", i))
		t.Login = "login_of_" + registry.DerivedName(t.ID, "")
		t.Password = registry.NewSecret(fmt.Sprintf("secret-%d", i))
		tenants[i] = version(t, uint64(i+1))
	}
	return tenants
}

func BenchmarkLiveLoad(b *testing.B) {
	const n = 100_000
	tenants := manyRecords(n)
	b.ReportAllocs()
	for b.Loop() {
		if refused := registry.NewLive(sourcetest.Clusters()).Load(tenants); len(refused) > 0 {
			b.Fatal(refused[0])
		}
	}
}

func BenchmarkLiveApply(b *testing.B) {
	const n = 100_000
	live := registry.NewLive(sourcetest.Clusters())
	live.Load(manyRecords(n))
	changed := manyRecords(n)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		t := changed[i*7919%n]
		t.DDL = !t.DDL
		t.Version = uint64(n + i)
		live.Apply([]*registry.Tenant{t}, nil)
		i++
	}
}

func BenchmarkSourceTenant(b *testing.B) {
	const n = 100_000
	live := registry.NewLive(sourcetest.Clusters())
	tenants := manyRecords(n)
	live.Load(tenants)
	static := newStatic(b, tenants...)
	for name, source := range map[string]registry.Source{"live": live, "static": static} {
		b.Run(name, func(b *testing.B) {
			ctx := b.Context()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i += 7 {
					if _, err := source.Tenant(ctx, tenants[i%n].ID); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// A record of a Live may cost 1 kB: 100,000 of them are 100 MB.
func TestARecordOfALiveIsSmall(t *testing.T) {
	const n = 20_000
	empty := heap()
	live := registry.NewLive(sourcetest.Clusters())
	live.Load(manyRecords(n))
	if each := (heap() - empty) / n; each > 1024 {
		t.Errorf("%.0f bytes", each)
	} else {
		t.Logf("%.0f bytes", each)
	}
	runtime.KeepAlive(live)
}
