//go:build setuser

// Spare connections for tenants with a login of their own, through a keeper.
// What the server makes of it is in setuser_test.go.

package integration_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// spared is a keeper on a gate, whose spares become the tenants' acme, globex
// and others'.
type spared struct {
	*fleet
	gate *gate
	seen *starts
}

const spareCount = 2

func newSpared(t *testing.T, g *gate, edit func(*pools.Config), more ...string) *spared {
	t.Helper()
	s := &spared{gate: g, seen: &starts{}}
	g.admin(t, "DO $$ BEGIN IF to_regrole('app') IS NULL THEN "+createLogin("app")+"; END IF; END $$",
		"GRANT CONNECT ON DATABASE "+g.database+" TO app; GRANT USAGE ON SCHEMA globex TO acme") // so that the table alone keeps it out
	s.fleet = &fleet{server: g.server, database: g.database, shared: "app", observer: s.seen}
	tenants := []*registry.Tenant{ownTenant("acme"), ownTenant("globex")}
	for _, name := range more {
		g.tenant(t, name, "row of "+name)
		tenants = append(tenants, ownTenant(name))
	}
	s.start(t, func(c *pools.Config) {
		cluster(c, func(main *registry.Cluster) {
			main.Budget, main.Spares = 12, spareCount
			main.SpareDSN = registry.NewSecret(g.server.DSN(g.database, "gateway", password))
		})
		c.BackoffMin, c.BackoffMax, c.MaxConns = time.Millisecond, 5*time.Millisecond, 1
		if edit != nil {
			edit(c)
		}
	}, tenants)
	return s
}

func ownTenant(name string) *registry.Tenant {
	return &registry.Tenant{
		ID: id(name), Status: registry.StatusActive, Cluster: "main", Version: 1, Isolation: registry.IsolationSchema,
		Schema: name, Login: name, Password: registry.NewSecret(password),
	}
}

// with lends a connection of the tenant to fn, and returns how the tenant came
// by it.
func (s *spared) with(t *testing.T, name string, fn func(*pools.Conn)) (start string, err error) {
	t.Helper()
	kinds := []string{pools.StartWarm, pools.StartSpare, pools.StartDial, pools.StartHandoff}
	before := map[string]int{}
	for _, kind := range kinds {
		before[kind] = s.seen.of(kind)
	}
	l := s.lease(t, name)
	defer l.Release()
	c, err := l.Acquire(t.Context())
	if err != nil {
		return "", err
	}
	defer c.Release()
	for _, kind := range kinds {
		if s.seen.of(kind) > before[kind] {
			start = kind
		}
	}
	if fn != nil {
		fn(c)
	}
	return start, nil
}

// starts fails unless the tenant comes by a connection in this way, and sees
// its own row with it.
func (s *spared) starts(t *testing.T, name, want string) {
	t.Helper()
	start, err := s.with(t, name, func(c *pools.Conn) { s.isTenant(t, c, name) })
	if err != nil || start != want {
		t.Errorf("tenant %s came by its connection by %q, want %q: %v", name, start, want, err)
	}
}

// cold makes the tenant cold, and returns when the spares are ready.
func (s *spared) cold(t *testing.T, name string) {
	t.Helper()
	s.Evict(id(name))
	s.settled(t)
	s.awaitSpares(t, spareCount)
}

// isTenant fails unless the session is the tenant's alone.
func (s *spared) isTenant(t *testing.T, c *pools.Conn, name string) {
	t.Helper()
	pg := c.Conn().PgConn()
	if who := users(t, pg); who != name+"|"+name {
		t.Errorf("tenant %s: the session is %s", name, who)
	}
	row, err := run(t, pg, "SELECT tenant FROM items")
	if want := "row of " + name; err != nil || row != want && (name != "globex" || row != secret) {
		t.Errorf("tenant %s sees %q, %v", name, row, err)
	}
	if name != "globex" {
		if rows, err := run(t, pg, "TABLE globex.items"); code(err) != "42501" {
			t.Errorf("tenant %s reads globex: %q, %v", name, rows, err)
		}
	}
	if err := c.Walled(); err != nil {
		t.Errorf("tenant %s: %v", name, err)
	}
}

func TestALoginOfItsOwnGetsASpareOnceItWasProven(t *testing.T) {
	t.Parallel()
	// A loaded machine may be slow to begin a statement, and to cancel it.
	s := newSpared(t, newGate(t, nil), func(c *pools.Config) { c.CancelTimeout = time.Minute })
	s.awaitSpares(t, spareCount)
	s.starts(t, "acme", pools.StartDial) // its password was not seen yet
	s.starts(t, "acme", pools.StartWarm)
	for range 3 {
		s.cold(t, "acme")
		s.starts(t, "acme", pools.StartSpare)
		for range 5 { // reset and lent again
			s.starts(t, "acme", pools.StartWarm)
		}
	}
	s.starts(t, "globex", pools.StartDial)
	s.cold(t, "globex")
	s.starts(t, "globex", pools.StartSpare)
	if _, err := s.with(t, "globex", func(c *pools.Conn) { s.isClaimed(t, c, "globex") }); err != nil {
		t.Error(err)
	}
	s.cancels(t, id("globex"), 500*time.Millisecond)
	s.starts(t, "globex", pools.StartWarm)
	s.settled(t)
	s.closed(t)
}

// isClaimed fails unless the session was a spare, and is the tenant's by its
// name on the server.
func (s *spared) isClaimed(t *testing.T, c *pools.Conn, tenant string) {
	t.Helper()
	who, name := s.onServer(t, c)
	if who != "gateway" {
		t.Errorf("the session was opened by %s", who)
	}
	if known, ok := s.TenantOf(name); !ok || known != id(tenant) {
		t.Errorf("application_name %q of tenant %s is that of %v", name, tenant, known)
	}
}

// onServer is what the server shows of a session.
func (s *spared) onServer(t *testing.T, c *pools.Conn) (login, application string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.server.AdminDSN(s.database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	err = conn.QueryRow(t.Context(), "SELECT usename, application_name FROM pg_stat_activity WHERE pid = $1", c.Conn().PgConn().PID()).Scan(&login, &application)
	if err != nil {
		t.Fatal(err)
	}
	return login, application
}

// With more tenants than connections, what has rested makes room for spares.
func TestSparesAreReadyAlsoWhenTenantsHaveUsedUpTheBudget(t *testing.T) {
	t.Parallel()
	names := []string{"acme", "globex", "initech", "umbrella", "hooli", "dunder"}
	s := newSpared(t, newGate(t, nil), func(c *pools.Config) {
		cluster(c, func(main *registry.Cluster) { main.Budget = 4 })
		c.KeepWarm = 20 * time.Millisecond
	}, names[2:]...)
	for _, name := range names {
		s.starts(t, name, pools.StartDial)
	}
	for range 2 {
		for _, name := range names {
			s.settled(t)
			s.awaitSpares(t, spareCount)
			if _, err := s.with(t, name, func(c *pools.Conn) { s.isTenant(t, c, name) }); err != nil {
				t.Error(err)
			}
		}
	}
	if n := s.seen.of(pools.StartDial); n != len(names) || s.seen.of(pools.StartSpare) < len(names) {
		t.Errorf("%d dials and %d spares for %d tenants", n, s.seen.of(pools.StartSpare), len(names))
	}
	s.settled(t)
	s.closed(t)
}

// Criterion: the first query of a cold tenant with its own login, on a spare
// and on a new connection.
func TestASpareIsQuickerThanANewConnection(t *testing.T) {
	g := newGate(t, nil)
	with := newSpared(t, g, nil)
	without := newSpared(t, g, func(c *pools.Config) { cluster(c, func(main *registry.Cluster) { main.Spares = 0 }) })
	with.starts(t, "acme", pools.StartDial)
	without.starts(t, "acme", pools.StartDial)
	var spare, dial times
	for range 40 {
		with.cold(t, "acme")
		spare = append(spare, with.firstQuery(t, "acme"))
		without.Evict(id("acme"))
		without.settled(t)
		dial = append(dial, without.firstQuery(t, "acme"))
	}
	if got := with.seen.of(pools.StartSpare); got != 40 {
		t.Errorf("%d of 40 were on a spare", got)
	}
	slices.Sort(spare)
	slices.Sort(dial)
	ratio := float64(spare.at(0.5)) / float64(dial.at(0.5))
	t.Logf("spare: %s; new connection: %s; ratio of the medians %.2f (aim 0.35)", spare, dial, ratio)
	if ratio > 10 {
		t.Errorf("a spare takes %.1f times as long as a new connection", ratio)
	}
}

func (s *spared) firstQuery(t *testing.T, name string) time.Duration {
	t.Helper()
	began := time.Now()
	l := s.lease(t, name)
	defer l.Release()
	var row string
	if err := l.QueryRow(t.Context(), "SELECT tenant FROM items").Scan(&row); err != nil || row != "row of "+name {
		t.Fatalf("tenant %s sees %q, %v", name, row, err)
	}
	return time.Since(began)
}
