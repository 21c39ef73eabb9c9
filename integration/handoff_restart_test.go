package integration_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestARestartOfTheServerDuringHandoffsLosesNothing(t *testing.T) {
	t.Parallel()
	const budget = 4
	opened := &sockets{}
	server := pgtest.StartWith(t, nil)
	f := newShifting(t, server, budget, 20, nil, func(c *pools.Config) {
		c.BackoffMax, c.Dial = 200*time.Millisecond, opened.dial
	})
	load := &shifting{f: f, tenants: interchangeable(20)}
	load.start(t, 8)
	for _, restart := range []func() error{
		func() error { return server.Restart(t.Context()) },
		func() error { return errors.Join(server.Kill(), server.Restart(t.Context())) },
	} {
		load.goesOn(t, 200)
		if err := restart(); err != nil {
			t.Fatal(err)
		}
	}
	load.goesOn(t, 200)
	load.stop()
	t.Logf("%d served, %d told of the outage", load.ok.Load(), load.down.Load())
	for _, tenant := range load.tenants {
		f.rowOf(t, tenant)
	}
	if b := f.settled(t); b.InUse > budget {
		t.Errorf("%+v", b)
	}
	opened.within(t, budget)
	f.closed(t)
}

// shifting is load by which connections go from tenant to tenant.
type shifting struct {
	f        *fleet
	tenants  []registry.ID
	ok, down atomic.Int64
	stopped  atomic.Bool
	workers  sync.WaitGroup
}

func (l *shifting) start(t *testing.T, workers int) {
	t.Cleanup(l.stop)
	for range workers {
		l.workers.Go(func() {
			for !l.stopped.Load() {
				l.ask(t, l.tenants[rand.IntN(len(l.tenants))])
			}
		})
	}
}

func (l *shifting) stop() {
	l.stopped.Store(true)
	l.workers.Wait()
}

// ask expects the tenant's row, or the truth about the server.
func (l *shifting) ask(t *testing.T, tenant registry.ID) {
	lease, err := l.f.Lease(t.Context(), tenant)
	if err != nil {
		t.Error(err)
		return
	}
	defer lease.Release()
	var name string
	switch err := lease.QueryRow(t.Context(), "SELECT tenant FROM items").Scan(&name); {
	case err == nil && name == tenant.String():
		l.ok.Add(1)
	case err == nil:
		t.Errorf("tenant %s sees the row of %s", tenant, name)
	case errors.Is(err, pools.ErrDatabase) || pools.ConnLost(err):
		l.down.Add(1)
		<-time.After(time.Millisecond)
	default:
		t.Errorf("tenant %s: %v", tenant, err)
	}
}

// goesOn returns when so many more were served.
func (l *shifting) goesOn(t *testing.T, more int64) {
	t.Helper()
	from := l.ok.Load()
	await(t, func() string { return fmt.Sprintf("the load goes on: %+v", l.f.Budgets()) }, func() bool { return l.ok.Load() >= from+more })
}
