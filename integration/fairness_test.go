package integration_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Criterion: one tenant floods a cluster with 50 clients and slow queries, as
// many at once as the budget has connections. Nobody else is refused or waits
// for long.
func TestAFloodOfOneTenantIsNotTheOthersProblem(t *testing.T) {
	f := newCrowd(t, pgtest.Shared(), census{shared: 10, row: 10, own: 1, databases: 1}, func(c *pools.Config) {
		cluster(c, func(main *registry.Cluster) { main.Budget = 12 })
		c.MaxConns, c.QueueTimeout = 50, time.Minute
	})
	all := interchangeable(20)
	flooder, quiet := all[0], all[1:]
	alone, _ := f.latencies(t, quiet, time.Second, nil)

	flood, stop := context.WithCancel(t.Context())
	defer stop()
	var clients sync.WaitGroup
	served := make(chan struct{}, 1<<16)
	for range 50 {
		clients.Go(func() { f.floods(flood, t, flooder, served) })
	}
	for range 20 { // it has begun
		<-served
	}
	flooded, overtaken := f.latencies(t, quiet, 2500*time.Millisecond, served)
	stop()
	clients.Wait()

	t.Logf("alone: %s; beside a flood of %d queries: %s", alone, len(served)+20, flooded)
	// Who stood in one line with the flood would be behind nearly 40 of its
	// queries. How long anything takes is the machine's affair.
	if half := overtaken[len(overtaken)/2]; half > 20 {
		t.Errorf("beside the flood %d of its queries are served before a quiet tenant's", half)
	}
	f.settled(t)
	f.closed(t)
}

// floods runs one slow query after the other, until ctx ends.
func (f *fleet) floods(ctx context.Context, t *testing.T, tenant registry.ID, served chan<- struct{}) {
	for ctx.Err() == nil {
		l, err := f.Lease(t.Context(), tenant)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := l.Exec(t.Context(), "SELECT pg_sleep(0.02)"); err != nil {
			t.Errorf("the flooder: %v", err)
		}
		l.Release()
		served <- struct{}{}
	}
}

// times are what requests took, sorted.
type times []time.Duration

func (d times) at(quantile float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	return d[int(quantile*float64(len(d)-1))]
}

func (d times) String() string {
	return "p50 " + d.at(0.5).String() + ", p99 " + d.at(0.99).String() + ", longest " + d.at(1).String()
}

// latencies has each tenant ask for its row every few milliseconds, and returns
// what that took and how many of a flood's queries were served meanwhile.
func (f *fleet) latencies(t *testing.T, tenants []registry.ID, during time.Duration, served <-chan struct{}) (all times, overtaken []int) {
	t.Helper()
	var clients sync.WaitGroup
	var mu sync.Mutex
	end := time.Now().Add(during)
	for _, tenant := range tenants {
		clients.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for time.Now().Before(end) {
				began, before := time.Now(), len(served)
				f.rowOf(t, tenant)
				took, passed := time.Since(began), len(served)-before
				mu.Lock()
				all, overtaken = append(all, took), append(overtaken, passed)
				mu.Unlock()
				<-tick.C
			}
		})
	}
	clients.Wait()
	slices.Sort(all)
	slices.Sort(overtaken)
	return all, overtaken
}
