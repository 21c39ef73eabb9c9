package integration_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
)

// Criterion: with a cap of 50 and 500 tenants that all run long statements at
// once, never more than 50 pools are live, no statement is cut, and nobody
// sees a closed pool.
func TestFiftyPoolsServeFiveHundredTenantsWithLongStatements(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(c *pools.Config) {
		c.MaxPools, c.MaxConns, c.PoolWait, c.OpenTimeout = 50, 1, 2*time.Minute, 2*time.Minute
	}, repeat(500, "row")...)
	watching, stop := context.WithCancel(t.Context())
	var watcher, clients sync.WaitGroup
	watcher.Go(func() { watchCap(watching, t, f, 50) })
	for i := range 500 {
		clients.Go(func() {
			name := fmt.Sprintf("row-%d", i)
			l, err := f.Lease(t.Context(), id(name))
			if err != nil {
				t.Errorf("tenant %s: %v", name, err)
				return
			}
			defer l.Release()
			var got string
			err = l.QueryRow(t.Context(), "SELECT min(tenant) FROM items, pg_sleep(0.1)").Scan(&got)
			if err != nil || got != name {
				t.Errorf("tenant %s: rows of %q, %v", name, got, err)
			}
		})
	}
	clients.Wait()
	stop()
	watcher.Wait()
}

// watchCap looks at the live pools every few milliseconds.
func watchCap(ctx context.Context, t *testing.T, f *fleet, most int) {
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		live := 0
		for _, s := range f.Stats() {
			if s.State == pools.StateReady {
				live++
			}
		}
		if live > most {
			t.Errorf("%d pools are live, the cap is %d", live, most)
			return
		}
	}
}
