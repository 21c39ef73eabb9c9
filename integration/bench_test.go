package integration_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// The benchmarks come in pairs: a bare pgxpool is the baseline of the same
// run, and the ratio is the figure.

func barePool(b *testing.B, f *fleet) *pgxpool.Pool {
	b.Helper()
	p, err := pgxpool.New(b.Context(), pgtest.Shared().DSN(f.database, f.shared, password))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Close)
	return p
}

func BenchmarkAcquireBarePool(b *testing.B) {
	f := newFleet(b, nil, "shared")
	p := barePool(b, f)
	b.ReportAllocs()
	for b.Loop() {
		c, err := p.Acquire(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		c.Release()
	}
}

func BenchmarkLeaseAcquireRelease(b *testing.B) {
	f := newFleet(b, nil, "shared")
	id := registry.MustParseID("shared-0")
	b.ReportAllocs()
	for b.Loop() {
		if err := leaseAcquireRelease(b, f, id); err != nil {
			b.Fatal(err)
		}
	}
}

func leaseAcquireRelease(b *testing.B, f *fleet, id registry.ID) error {
	l, err := f.Lease(b.Context(), id)
	if err != nil {
		return err
	}
	defer l.Release()
	c, err := l.Acquire(b.Context())
	if err != nil {
		return err
	}
	c.Release()
	return nil
}

func BenchmarkAcquireBarePoolsInParallel(b *testing.B) {
	f := newFleet(b, nil, "shared")
	all := make([]*pgxpool.Pool, 20)
	for i := range all {
		all[i] = barePool(b, f)
		if err := all[i].Ping(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer() // opening the pools is another benchmark's figure
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			c, err := all[i%20].Acquire(b.Context())
			if err != nil {
				b.Error(err)
				return
			}
			c.Release()
		}
	})
}

func BenchmarkLeaseAcquireReleaseInParallel(b *testing.B) {
	marks := make([]string, 20)
	ids := make([]registry.ID, 20)
	for i := range marks {
		marks[i] = "shared"
		ids[i] = registry.MustParseID(fmt.Sprintf("shared-%d", i))
	}
	f := newFleet(b, nil, marks...)
	for _, id := range ids {
		if err := leaseAcquireRelease(b, f, id); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer() // likewise
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if err := leaseAcquireRelease(b, f, ids[i%20]); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

const one = "SELECT tenant FROM items WHERE id = 1"

func BenchmarkQueryBarePool(b *testing.B) {
	f := newFleet(b, nil, "shared")
	p := barePool(b, f)
	var name string
	b.ReportAllocs()
	for b.Loop() {
		if err := p.QueryRow(b.Context(), "SELECT tenant FROM shared_0.items WHERE id = 1").Scan(&name); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkQueryOnALease(b *testing.B) {
	for _, sql := range []pools.SQL{pools.Trusted, pools.Untrusted} {
		b.Run(string(sql), func(b *testing.B) {
			f := newFleet(b, func(c *pools.Config) { c.SQL = sql }, "shared")
			id := registry.MustParseID("shared-0")
			var name string
			b.ReportAllocs()
			for b.Loop() {
				l, err := f.Lease(b.Context(), id)
				if err != nil {
					b.Fatal(err)
				}
				if err := l.QueryRow(b.Context(), one).Scan(&name); err != nil {
					b.Fatal(err)
				}
				l.Release()
			}
		})
	}
}

func BenchmarkColdOpenBarePool(b *testing.B) {
	f := newFleet(b, nil, "shared")
	for b.Loop() {
		p, err := pgxpool.New(b.Context(), pgtest.Shared().DSN(f.database, f.shared, password))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.Exec(b.Context(), "SELECT 1"); err != nil {
			b.Fatal(err)
		}
		p.Close()
	}
}

func BenchmarkColdOpenLease(b *testing.B) {
	f := newFleet(b, nil, "shared")
	id := registry.MustParseID("shared-0")
	for b.Loop() {
		l, err := f.Lease(b.Context(), id)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := l.Exec(b.Context(), "SELECT 1"); err != nil {
			b.Fatal(err)
		}
		l.Release()
		f.Evict(id)
	}
}
