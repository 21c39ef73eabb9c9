package integration_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// census is how many tenants of each kind a fleet gets in a few statements.
type census struct{ shared, row, own, databases int }

// gather makes that many tenants in the fleet's database.
func (f *fleet) gather(t *testing.T, c census) []*registry.Tenant {
	t.Helper()
	f.prepare(t)
	f.make(t, c)
	var all []*registry.Tenant
	add := func(mark string, n int, edit func(*registry.Tenant)) {
		for i := range n {
			name := fmt.Sprintf("%s-%d", mark, i)
			record := &registry.Tenant{
				ID: id(name), Status: registry.StatusActive, Cluster: "main", Version: 1,
				Isolation: registry.IsolationSchema, Schema: strings.ReplaceAll(name, "-", "_"),
			}
			edit(record)
			all = append(all, record)
		}
	}
	login := func(record *registry.Tenant) {
		record.Login, record.Password = f.database+"_"+record.Schema, registry.NewSecret(password)
	}
	add("shared", c.shared, func(*registry.Tenant) {})
	add("row", c.row, func(record *registry.Tenant) { record.Isolation, record.Schema = registry.IsolationRow, "tables" })
	add("own", c.own, login)
	add("database", c.databases, func(record *registry.Tenant) {
		login(record)
		record.Isolation, record.Schema, record.Database = registry.IsolationDatabase, "", record.Login
	})
	return all
}

// make makes schemas, rows, logins and databases. The logins have one
// password, which is hashed once.
func (f *fleet) make(t *testing.T, c census) {
	t.Helper()
	logins := func(mark string, n int) string {
		return fmt.Sprintf(`DO $$ BEGIN FOR i IN 0..%d LOOP
			EXECUTE format('CREATE ROLE %%I LOGIN PASSWORD %%L', '%s_%s_' || i, (SELECT rolpassword FROM pg_authid WHERE rolname = '%s'));
			END LOOP; END $$`, n-1, f.database, mark, f.shared)
	}
	schemas := func(mark, login string, n int) string {
		// Committed now and then: each table takes locks, of which the server has few.
		return fmt.Sprintf(`DO $$ DECLARE s text; BEGIN FOR i IN 0..%d LOOP s := '%s_' || i;
			EXECUTE format('CREATE SCHEMA %%I', s);
			EXECUTE format('CREATE TABLE %%I.items AS SELECT 1 AS id, %%L AS tenant', s, '%[2]s-' || i);
			EXECUTE format('GRANT USAGE ON SCHEMA %%1$I TO %%2$I; GRANT SELECT ON %%1$I.items TO %%2$I', s, %[3]s);
			IF i %% 50 = 0 THEN COMMIT; END IF; END LOOP; END $$`, n-1, mark, login)
	}
	admin(t, f.server, f.database,
		schemas("shared", "'"+f.shared+"'", c.shared),
		fmt.Sprintf("INSERT INTO tables.items SELECT 1, 'row-' || i FROM generate_series(0, %d) i", c.row-1),
		logins("own", c.own), logins("database", c.databases),
		schemas("own", "'"+f.database+"_' || s", c.own),
	)
	for i := range c.databases {
		name := fmt.Sprintf("%s_database_%d", f.database, i)
		admin(t, f.server, "", "CREATE DATABASE "+name)
		admin(t, f.server, name, fmt.Sprintf("CREATE TABLE public.items AS SELECT 1 AS id, 'database-%d' AS tenant; GRANT SELECT ON items TO PUBLIC", i))
		t.Cleanup(func() { admin(t, f.server, "", "DROP DATABASE "+name+" WITH (FORCE)") })
	}
}

// newCrowd starts a keeper for many tenants on a server.
func newCrowd(t *testing.T, server *pgtest.Server, c census, edit func(*pools.Config)) *fleet {
	t.Helper()
	f := &fleet{server: server, database: server.Database(t)}
	f.shared = f.database + "_app"
	f.start(t, edit, f.gather(t, c))
	return f
}

// cluster changes the settings of the one cluster.
func cluster(c *pools.Config, edit func(*registry.Cluster)) {
	main := c.Clusters["main"]
	edit(&main)
	c.Clusters["main"] = main
}

// sampler looks, every few milliseconds, how many sessions the server has
// that are not the superuser's.
type sampler struct {
	conn    *pgx.Conn
	stop    chan struct{}
	done    sync.WaitGroup
	most, n int
	err     error
}

func sample(t *testing.T, server *pgtest.Server) *sampler {
	t.Helper()
	c, err := pgx.Connect(t.Context(), server.AdminDSN(""))
	if err != nil {
		t.Fatal(err)
	}
	s := &sampler{conn: c, stop: make(chan struct{})}
	s.done.Go(func() { s.run(context.WithoutCancel(t.Context())) })
	return s
}

func (s *sampler) run(ctx context.Context) {
	defer s.conn.Close(ctx)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for s.err == nil {
		var n int
		// One that is logging in has no name yet.
		s.err = s.conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND usename IS DISTINCT FROM 'postgres'`).Scan(&n)
		s.most, s.n = max(s.most, n), s.n+1
		select {
		case <-tick.C:
		case <-s.stop:
			return
		}
	}
}

// within fails if there were ever more sessions than the budget.
func (s *sampler) within(t *testing.T, budget int) {
	t.Helper()
	close(s.stop)
	s.done.Wait()
	if s.err != nil {
		t.Error(s.err)
	}
	t.Logf("at most %d of %d sessions, in %d samples", s.most, budget, s.n)
	if s.most > budget {
		t.Errorf("the server had %d sessions, the budget is %d", s.most, budget)
	}
}

// closed closes the fleet's keeper, after which nothing is left of it.
func (f *fleet) closed(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := f.Close(ctx); err != nil {
		t.Error(err)
	}
	for _, b := range f.Budgets() {
		if b.InUse+b.Idle+b.Opening+b.Closing+b.Waiting+b.Spares != 0 {
			t.Errorf("after Close the budget is used: %+v", b)
		}
	}
	nothingLeft(t, f)
}

// await returns when something has been reached, or fails when it takes too long.
func await(t *testing.T, what func() string, reached func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(30 * time.Second); !reached(); <-tick.C {
		if time.Now().After(limit) {
			t.Fatalf("not in time: %s", what())
		}
	}
}

// settled waits until what the budget counts as used is what rests.
func (f *fleet) settled(t *testing.T) (b pools.BudgetStat) {
	t.Helper()
	rests := 0
	await(t, func() string { return fmt.Sprintf("%d connections rest, %+v", rests, b) }, func() bool {
		b, rests = f.Budgets()[0], 0
		for _, s := range f.Stats() {
			rests += s.Idle
		}
		return b.InUse == rests+b.Spares && b.Idle == rests && b.Opening+b.Closing+b.Waiting == 0
	})
	return b
}

// rowOf asks for the tenant's row and fails unless it is the tenant's.
func (f *fleet) rowOf(t *testing.T, tenant registry.ID) {
	l, err := f.Lease(t.Context(), tenant)
	if err != nil {
		t.Errorf("tenant %s: %v", tenant, err)
		return
	}
	defer l.Release()
	var name string
	if err := l.QueryRow(t.Context(), "SELECT tenant FROM items WHERE id = $1", 1).Scan(&name); err != nil {
		t.Errorf("tenant %s: %v", tenant, err)
	} else if name != tenant.String() {
		t.Errorf("tenant %s sees the row of %s", tenant, name)
	}
}

// Criterion: on a server with 60 connections, 1,000 cold tenants come at
// once. Never are there more sessions than the budget, and nobody fails.
func TestAThousandColdTenantsAtOnceKeepWithinTheBudget(t *testing.T) {
	t.Parallel()
	server := pgtest.StartWith(t, pgtest.Settings{"max_connections": "60"})
	f := &fleet{server: server, database: server.Database(t)}
	f.shared = f.database + "_app"
	tenants := f.gather(t, census{shared: 500, row: 350, own: 144, databases: 6})
	for name, budget := range map[string]int{"given": 50, "derived": 0} {
		t.Run(name, func(t *testing.T) {
			opened := &sockets{}
			f := &fleet{server: server, database: f.database, shared: f.shared}
			f.start(t, func(c *pools.Config) {
				cluster(c, func(main *registry.Cluster) { main.Budget, main.Margin = budget, 3 })
				c.QueueTimeout, c.Dial = time.Minute, opened.dial
			}, tenants)
			seen := sample(t, server)
			began := time.Now()
			var all sync.WaitGroup
			for _, tenant := range tenants {
				all.Go(func() { f.rowOf(t, tenant.ID) })
			}
			all.Wait()
			t.Logf("%d tenants in %v", len(tenants), time.Since(began).Round(time.Millisecond))
			b := f.settled(t)
			if want := 60 - 3 - 3; budget == 0 && (b.Budget != want || !b.Derived) {
				t.Errorf("the budget is %d, derived %t, want %d of 60", b.Budget, b.Derived, want)
			}
			seen.within(t, b.Budget)
			opened.within(t, b.Budget)
			f.closed(t)
		})
	}
}

// A server without TLS is dialled twice where it is preferred.
func TestTheBudgetHoldsWhereEachConnectionIsDialledTwice(t *testing.T) {
	t.Parallel()
	const budget = 5
	opened := &sockets{}
	f := newFleet(t, func(c *pools.Config) {
		cluster(c, func(main *registry.Cluster) {
			main.DSN = registry.NewSecret(strings.Replace(main.DSN.Reveal(), "sslmode=disable", "sslmode=prefer", 1))
			main.Budget = budget
		})
		c.Dial, c.Handoff = opened.dial, false
	}, repeat(12, "own", "shared", "row")...)
	var all sync.WaitGroup
	for range 3 {
		for i, mark := range repeat(12, "own", "shared", "row") {
			all.Go(func() { f.rowOf(t, id(fmt.Sprintf("%s-%d", mark, i))) })
		}
	}
	all.Wait()
	f.settled(t)
	if n := opened.dials(); n < 2*12 {
		t.Errorf("%d dials for 12 tenants", n)
	}
	opened.within(t, budget)
}
