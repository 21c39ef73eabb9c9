package integration_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	dto "github.com/prometheus/client_model/go"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// starts counts how connections came to their tenants.
type starts struct {
	mu   sync.Mutex
	acts map[string]int
}

func (s *starts) Leased(registry.ID, string, string, error)          {}
func (s *starts) PoolChanged(registry.ID, string, pools.Reason)      {}
func (s *starts) ConnChanged(_ registry.ID, _, event, detail string) { s.count(event + " " + detail) }

func (s *starts) Acquired(_ registry.ID, _, start string, _ time.Duration, err error) {
	if err == nil {
		s.count(start)
	}
}

func (s *starts) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acts == nil {
		s.acts = map[string]int{}
	}
	s.acts[what]++
}

func (s *starts) of(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acts[what]
}

func budgetOf(n int) func(*pools.Config) {
	return func(c *pools.Config) {
		cluster(c, func(main *registry.Cluster) { main.Budget = n })
		c.StealAfter, c.QueueTimeout = 0, 30*time.Second
	}
}

// newShifting is a fleet with interchangeable tenants on few connections.
func newShifting(t *testing.T, server *pgtest.Server, budget, tenants int, observer pools.Observer, edits ...func(*pools.Config)) *fleet {
	t.Helper()
	f := &fleet{server: server, database: server.Database(t), observer: observer}
	f.shared = f.database + "_app"
	f.start(t, func(c *pools.Config) {
		budgetOf(budget)(c)
		for _, edit := range edits {
			edit(c)
		}
	}, f.gather(t, census{shared: tenants / 2, row: tenants / 2, own: 1, databases: 1}))
	return f
}

// Criterion: many tenants, each as likely as any other, on few connections.
func TestUniformTenantsAreServedMostlyByHandoff(t *testing.T) {
	t.Parallel()
	const tenants, budget, requests = 400, 20, 4000
	m := metrics.New(metrics.Defaults(), metrics.Build{})
	f := newShifting(t, pgtest.Shared(), budget, tenants, m)
	m.Watch(f.Keeper, f.registry.Count, "main")
	all := interchangeable(tenants)
	var left atomic.Int64
	left.Store(requests)
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for left.Add(-1) >= 0 {
				f.rowOf(t, all[rand.IntN(len(all))])
			}
		})
	}
	workers.Wait()
	counts := acquires(t, m)
	t.Logf("%d requests of %d tenants on %d connections: %v", requests, tenants, budget, counts)
	if sum := counts["warm"] + counts["handoff"] + counts["dial"] + counts["spare"]; sum != requests {
		t.Errorf("%d starts were counted for %d requests", sum, requests)
	}
	if counts["handoff"] < requests*3/4 || counts["dial"] > 2*budget {
		t.Errorf("most were not served by handoff: %v", counts)
	}
}

// acquires reads from the metrics how connections came to their tenants.
func acquires(t *testing.T, m *metrics.Metrics) map[string]uint64 {
	t.Helper()
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]uint64{}
	for _, family := range families {
		if family.GetName() != "poolkeeper_acquire_duration_seconds" {
			continue
		}
		for _, series := range family.GetMetric() {
			counts[label(series, "start")] += series.GetHistogram().GetSampleCount()
		}
	}
	return counts
}

func label(series *dto.Metric, name string) string {
	for _, l := range series.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

func TestAPinThatFailsIsItsTenantsProblemAlone(t *testing.T) {
	t.Parallel()
	f := newShifting(t, pgtest.Shared(), 3, 20, nil, func(c *pools.Config) { c.BackoffMin, c.BackoffMax = time.Millisecond, 5*time.Millisecond })
	all := interchangeable(20)
	for _, tenant := range all {
		f.rowOf(t, tenant)
	}
	gone := id("shared-3")
	admin(t, f.server, f.database, "ALTER SCHEMA shared_3 RENAME TO elsewhere")
	var clients sync.WaitGroup
	for _, tenant := range all {
		clients.Go(func() {
			for range 20 {
				if tenant == gone {
					f.isRefused(t, gone)
				} else {
					f.rowOf(t, tenant)
				}
			}
		})
	}
	clients.Wait()
	admin(t, f.server, f.database, "ALTER SCHEMA elsewhere RENAME TO shared_3")
	<-time.After(10 * time.Millisecond) // the longest back-off
	f.rowOf(t, gone)
	if b := f.settled(t); b.BreakersOpen != 0 {
		t.Errorf("%+v", b)
	}
	f.closed(t)
}

// isRefused expects that a tenant's database cannot be used.
func (f *fleet) isRefused(t *testing.T, tenant registry.ID) {
	l, err := f.Lease(t.Context(), tenant)
	if err != nil {
		t.Error(err)
		return
	}
	defer l.Release()
	var name string
	err = l.QueryRow(t.Context(), "SELECT tenant FROM items").Scan(&name)
	pg, _ := errors.AsType[*pgconn.PgError](err)
	if known, ok := errors.AsType[*pools.DatabaseError](err); (!ok || known.Tenant != tenant) && (pg == nil || pg.Code != "42P01") {
		t.Errorf("tenant %s, whose schema is gone, gets %q, %v", tenant, name, err)
	}
}

func TestConnectionsAreHandedOverThroughTLS(t *testing.T) {
	t.Parallel()
	const budget = 3
	server := pgtest.StartWith(t, pgtest.Settings{"ssl": "on"})
	seen := &starts{}
	f := &fleet{server: server, database: server.Database(t), observer: seen}
	f.shared = f.database + "_app"
	f.start(t, func(c *pools.Config) {
		budgetOf(budget)(c)
		cluster(c, func(main *registry.Cluster) {
			main.DSN = registry.NewSecret(server.TLSDSN(f.database, f.shared, password))
		})
	}, f.gather(t, census{shared: 20, row: 20, own: 1, databases: 1}))
	for range 3 {
		for _, tenant := range interchangeable(40) {
			f.rowOf(t, tenant)
		}
	}
	if handed, dialled := seen.of(pools.StartHandoff), seen.of("opened dial"); handed < 100 || dialled > 2*budget {
		t.Errorf("%d handed over, %d dialled", handed, dialled)
	}
	f.isEncrypted(t)
	f.cancelsAfterHandoffs(t)
	f.isEncrypted(t)
	t.Logf("%d handed over, %d dialled", seen.of(pools.StartHandoff), seen.of("opened dial"))
	f.closed(t)
}

// isEncrypted fails if the server has a session of the fleet without TLS.
func (f *fleet) isEncrypted(t *testing.T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), f.server.AdminDSN(f.database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var plain, encrypted int
	err = conn.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE NOT ssl), count(*) FILTER (WHERE ssl)
		FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = $1`, f.shared).Scan(&plain, &encrypted)
	if err != nil || plain != 0 || encrypted == 0 {
		t.Errorf("%d sessions without TLS, %d with it, %v", plain, encrypted, err)
	}
}

// Spares of a shared login need nothing of the server.
func TestAColdTenantWithASharedLoginGetsASpare(t *testing.T) {
	t.Parallel()
	const spares = 3
	seen := &starts{}
	f := newShifting(t, pgtest.Shared(), 12, 20, seen, func(c *pools.Config) {
		cluster(c, func(main *registry.Cluster) { main.Spares = spares })
	})
	for i, tenant := range interchangeable(8) {
		f.awaitSpares(t, spares)
		f.rowOf(t, tenant)
		if got := seen.of(pools.StartSpare); got != i+1 {
			t.Fatalf("%d of %d cold tenants got a spare", got, i+1)
		}
		f.rowOf(t, tenant)
	}
	if warm := seen.of(pools.StartWarm); warm != 8 {
		t.Errorf("%d of 8 second requests were warm", warm)
	}
	f.settled(t)
	f.closed(t)
}

// awaitSpares returns when so many spares are ready.
func (f *fleet) awaitSpares(t *testing.T, n int) {
	t.Helper()
	await(t, func() string { return fmt.Sprintf("%d spares: %+v", n, f.Budgets()) }, func() bool { return f.Budgets()[0].Spares == n })
}
