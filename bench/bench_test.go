package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/poolkeeper/poolkeeper/bench/figures"
	"github.com/poolkeeper/poolkeeper/bench/world"
)

// Figures 1 and 2 as benchmarks, for benchstat. The baseline is a benchmark
// beside each; the ratio is the figure.

func BenchmarkTake(b *testing.B) {
	w := sharedWorld(b)
	for _, c := range []struct {
		name    string
		open    func(context.Context, *world.World, int) (*figures.Hot, error)
		tenants int
		run     func(*testing.B, figures.TakeFunc)
	}{
		{"one caller", figures.OpenHot, 1, figures.Single},
		{"in parallel", figures.OpenHot, 20, figures.Parallel},
		{"one caller", figures.OpenHotFake, len(w.Tenants), figures.Single},
		{"in parallel", figures.OpenHotFake, len(w.Tenants), figures.Parallel},
	} {
		h, err := c.open(b.Context(), w, c.tenants)
		if err != nil {
			b.Fatal(err)
		}
		name := fmt.Sprintf("%s, %d tenants", c.name, c.tenants)
		b.Run(name+"/bare pgxpool", func(b *testing.B) { c.run(b, h.Bare) })
		b.Run(name+"/lease", func(b *testing.B) { c.run(b, h.Lease) })
		if err := h.Close(); err != nil {
			b.Error(err)
		}
	}
}

func BenchmarkColdTenant(b *testing.B) {
	w := sharedWorld(b)
	for _, secure := range []bool{false, true} {
		if secure && w.NoTLS != nil {
			continue
		}
		c, err := figures.OpenCold(b.Context(), w, secure)
		if err != nil {
			b.Fatal(err)
		}
		name := map[bool]string{false: "plain", true: "TLS and SCRAM"}[secure]
		b.Run(name+"/new connection", func(b *testing.B) { newConnections(b, c) })
		b.Run(name+"/handoff", func(b *testing.B) { figures.Single(b, c.Handoff) })
		if err := errors.Join(c.Close(), w.AwaitQuiet(b.Context(), 0)); err != nil {
			b.Error(err)
		}
	}
}

// newConnections is the baseline; the closing is not counted.
func newConnections(b *testing.B, c *figures.Cold) {
	b.Helper()
	ctx := b.Context()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		conn, err := c.NewConnection(ctx, i)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := conn.Close(ctx); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		i++
	}
}
