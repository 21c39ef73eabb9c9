package figures

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/poolkeeper/poolkeeper/bench/report"
	"github.com/poolkeeper/poolkeeper/pools"
)

// Statement caches: that of the aim for a connection's memory, and the one
// that stands for bare pools.
const (
	smallCache = 16
	bareCache  = -1
)

// footprint is what the process takes.
type footprint struct{ Bytes, Goroutines float64 }

// footprintNow counts what is alive. It collects until nothing more goes
// away: what was closed before is let go by goroutines and timers of its own.
func footprintNow() footprint {
	const calm = 5 // collections in a row that free nothing to speak of
	least := math.Inf(1)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i, same := 0, 0; i < 100 && same < calm; i++ {
		runtime.GC()
		bytes := alive()
		if same++; bytes < least-4096 {
			same = 0
		}
		least = min(least, bytes)
		<-tick.C
	}
	return footprint{least, float64(runtime.NumGoroutine())}
}

func alive() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// per is the growth since an earlier moment, by each of n.
func (p footprint) per(earlier footprint, n int) footprint {
	return footprint{(p.Bytes - earlier.Bytes) / float64(n), (p.Goroutines - earlier.Goroutines) / float64(n)}
}

// footprints of one way: of a registered tenant, of a pool without
// connections, and of a warm connection.
type footprints struct{ Registered, Pool, Conn footprint }

func (b *Bench) memory(ctx context.Context) (*report.Figure, error) {
	f := &report.Figure{
		Number: 3, Title: "Memory and goroutines",
		Workload: fmt.Sprintf("What is alive after garbage collections (heap and stacks) in a process of its own for each way, as growth by each of %d registered tenants "+
			"whose records were looked up, %d live pools without connections, and %d connections that ran one statement. The server's own memory is not in it. "+
			"The baseline is a bare `pgxpool` with the driver's defaults.", b.Scale.Records, b.Scale.Pools, b.Scale.Conns),
	}
	shipped := pools.Defaults().StatementCache
	found := map[int][]footprints{} // by statement cache
	for range b.Scale.Rounds {
		for _, cache := range []int{bareCache, smallCache, shipped} {
			b.logf("figure 3")
			one, err := b.footprintsOf(ctx, cache)
			if err != nil {
				return f, err
			}
			found[cache] = append(found[cache], one)
		}
	}
	bare, small, usual := found[bareCache], found[smallCache], found[shipped]
	f.Add(&report.Row{
		Name: "registered tenant, looked up", Short: "registered", Unit: "bytes", Rounds: len(usual), Aim: report.AtMost(1000),
		Value: footprintRow("", usual, bare, func(p footprints) footprint { return p.Registered }).Value,
	})
	row := footprintRow("live pool without connections", usual, bare, func(p footprints) footprint { return p.Pool })
	row.Short, row.Aim = "pool", report.AtMost(6000)
	f.Add(row)
	row = footprintRow(fmt.Sprintf("warm connection, statement cache of %d", smallCache), small, bare, connOf)
	row.Short, row.Aim = "connection", report.RatioAtMost(0.4)
	f.Add(row)
	f.Add(footprintRow(fmt.Sprintf("warm connection, the shipped statement cache of %d", shipped), usual, bare, connOf))
	return f, nil
}

func connOf(p footprints) footprint { return p.Conn }

func footprintRow(name string, ours, bare []footprints, of func(footprints) footprint) *report.Row {
	var bytes, goroutines rounds
	for i := range ours {
		bytes.add(of(ours[i]).Bytes, of(bare[i]).Bytes)
		goroutines.add(of(ours[i]).Goroutines, of(bare[i]).Goroutines)
	}
	row := bytes.row(name, "bytes", "bare pgxpool")
	n := goroutines.row("", "", "")
	row.More = map[string]float64{"goroutines": n.Value, "goroutines of the baseline": n.BaselineValue}
	return row
}
