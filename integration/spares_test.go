//go:build setuser

// Spare connections for tenants with a login of their own, through a keeper.
// What the server makes of it is in setuser_test.go.

package integration_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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

// Criterion: nothing in the session gets out of it again; then it is reset and
// lent again, and still the tenant's.
func TestNothingGetsOutOfASpareThatWasLent(t *testing.T) {
	t.Parallel()
	g := newGate(t, nil)
	g.admin(t, "CREATE EXTENSION dblink SCHEMA gate; CREATE EXTENSION postgres_fdw; GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO acme",
		"GRANT CREATE ON DATABASE "+g.database+" TO acme",
		"CREATE FUNCTION gate.trusting(text) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT gate.set_session_auth($1)'")
	s := newSpared(t, g, nil)
	s.starts(t, "acme", pools.StartDial)
	s.starts(t, "globex", pools.StartDial)
	s.claimed(t, "acme")
	for kind, attempts := range map[string][]attempt{
		"command": escapesByCommand(), "transaction": escapesByTransaction(), "function": escapesByFunction(),
		"role": escapesByRole(), "other means": escapesByOtherMeans(),
	} {
		t.Run(kind, func(t *testing.T) {
			for _, a := range attempts {
				t.Run(a.name, func(t *testing.T) { s.escape(t, a) })
			}
		})
	}
	t.Logf("%d spares were claimed", s.seen.of("opened spare"))
	s.closed(t)
}

// escape has acme try to get out of a claimed session, and looks what the next
// borrowers get.
func (s *spared) escape(t *testing.T, a attempt) {
	t.Helper()
	_, err := s.with(t, "acme", func(c *pools.Conn) {
		s.isClaimed(t, c, "acme")
		s.attempts(t, c.Conn().PgConn(), a)
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.with(t, "acme", func(c *pools.Conn) { s.isNotGlobex(t, c) }); err != nil {
			t.Errorf("the next borrower: %v", err)
		}
	}
	s.gate.admin(t, "DROP SCHEMA acme CASCADE; DROP SERVER IF EXISTS loop CASCADE",
		"CREATE SCHEMA acme AUTHORIZATION acme; CREATE TABLE acme.items AS SELECT 'row of acme' AS tenant; ALTER TABLE acme.items OWNER TO acme")
	if _, err := s.with(t, "globex", func(c *pools.Conn) { s.isTenant(t, c, "globex") }); err != nil {
		t.Errorf("globex: %v", err)
	}
	s.claimed(t, "acme")
}

// isNotGlobex fails unless the session is acme's and behind its wall.
func (s *spared) isNotGlobex(t *testing.T, c *pools.Conn) {
	t.Helper()
	pg := c.Conn().PgConn()
	if who := users(t, pg); who != "acme|acme" {
		t.Errorf("the next borrower is %s", who)
	}
	if rows, err := run(t, pg, "TABLE globex.items"); code(err) != "42501" {
		t.Errorf("the next borrower reads globex: %q, %v", rows, err)
	}
	if err := c.Walled(); err != nil {
		t.Error(err)
	}
}

// claimed has the tenant's connection be one that was a spare.
func (s *spared) claimed(t *testing.T, name string) {
	t.Helper()
	var opener string
	if _, err := s.with(t, name, func(c *pools.Conn) { opener, _ = s.onServer(t, c) }); err != nil {
		t.Fatal(err)
	}
	if opener == name {
		s.cold(t, name)
		s.starts(t, name, pools.StartSpare)
	}
}

func (s *spared) attempts(t *testing.T, pg *pgconn.PgConn, a attempt) {
	t.Helper()
	failed := false
	for _, sql := range a.statements {
		rows, err := run(t, pg, sql)
		if strings.Contains(rows, secret) {
			t.Fatalf("%s read %q", sql, rows)
		}
		failed = failed || err != nil
		if !pg.IsClosed() && pg.TxStatus() != 'E' {
			if who := users(t, pg); who != "acme|acme" {
				t.Errorf("after %s the session is %s", sql, who)
			}
		}
	}
	if failed != a.refused {
		t.Errorf("refused: %t, want %t", failed, a.refused)
	}
}

// A backend that was one tenant's is never another's, however scarce they are.
func TestASpareThatWasClaimedStaysItsTenants(t *testing.T) {
	t.Parallel()
	names := []string{"acme", "globex", "initech", "umbrella", "hooli"}
	s := newSpared(t, newGate(t, nil), func(c *pools.Config) {
		cluster(c, func(main *registry.Cluster) { main.Budget = 4 })
		c.StealAfter, c.KeepWarm, c.QueueTimeout = 0, 0, time.Minute
	}, names[2:]...)
	var mu sync.Mutex
	owners := map[string]string{}
	var clients sync.WaitGroup
	for i := range 4 {
		clients.Go(func() {
			for j := range 60 {
				name := names[(i+j*(i+1))%len(names)]
				if j%7 == 0 {
					s.Evict(id(name))
				}
				_, err := s.with(t, name, func(c *pools.Conn) {
					s.isTenant(t, c, name)
					backend, err := run(t, c.Conn().PgConn(), "SELECT pg_backend_pid(), (SELECT backend_start FROM pg_stat_get_activity(pg_backend_pid()))")
					mu.Lock()
					defer mu.Unlock()
					if other := owners[backend]; err != nil || other != "" && other != name {
						t.Errorf("the backend %s of %s was %s's before, %v", backend, name, other, err)
					}
					owners[backend] = name
				})
				if err != nil {
					t.Errorf("tenant %s: %v", name, err)
				}
			}
		})
	}
	clients.Wait()
	t.Logf("%d backends; warm %d, spare %d, dial %d", len(owners), s.seen.of(pools.StartWarm), s.seen.of(pools.StartSpare), s.seen.of(pools.StartDial))
	if s.seen.of(pools.StartSpare) == 0 || s.seen.of(pools.StartHandoff) > 0 {
		t.Errorf("%d spares were used, %d connections handed over", s.seen.of(pools.StartSpare), s.seen.of(pools.StartHandoff))
	}
	s.settled(t)
	s.closed(t)
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

// What a dial would have been refused for, or have brought with it, is dialled.
func TestASpareIsNotForALoginThatHasToBeDialled(t *testing.T) {
	t.Parallel()
	s := newSpared(t, newGate(t, nil), nil, "initech", "umbrella", "hooli")
	database := s.database
	for _, c := range []struct{ name, change, undo, code, want, after string }{
		{name: "acme", change: "ALTER ROLE acme SET work_mem = '7MB'", undo: "ALTER ROLE acme RESET ALL", want: pools.StartDial, after: pools.StartDial},
		{
			// What onboarding sets, and the pin as well.
			name: "globex", change: "ALTER ROLE globex SET search_path = globex; ALTER ROLE globex SET statement_timeout = 1000",
			undo: "ALTER ROLE globex RESET ALL", want: pools.StartSpare, after: pools.StartSpare,
		},
		{name: "initech", change: "ALTER ROLE initech NOLOGIN", undo: "ALTER ROLE initech LOGIN", code: "28000", after: pools.StartSpare},
		{
			name: "umbrella", change: "REVOKE CONNECT ON DATABASE " + database + " FROM umbrella",
			undo: "GRANT CONNECT ON DATABASE " + database + " TO umbrella", code: "42501", after: pools.StartSpare,
		},
		{
			name: "hooli", change: "GRANT EXECUTE ON FUNCTION gate.set_session_auth(text) TO hooli",
			undo: "REVOKE EXECUTE ON FUNCTION gate.set_session_auth(text) FROM hooli", want: pools.StartDial, after: pools.StartDial,
		},
	} {
		t.Run(c.change, func(t *testing.T) {
			s.awaitSpares(t, spareCount)
			s.starts(t, c.name, pools.StartDial)
			s.gate.admin(t, c.change)
			s.cold(t, c.name)
			spares := s.seen.of("opened spare")
			if c.code == "" {
				s.starts(t, c.name, c.want)
			} else {
				s.isShutOut(t, c.name, c.code)
			}
			s.gate.admin(t, c.undo)
			<-time.After(20 * time.Millisecond) // the longest back-off
			if c.code != "" {
				if got := s.seen.of("opened spare"); got != spares {
					t.Errorf("%d spares became a login that may not connect", got-spares)
				}
				s.starts(t, c.name, pools.StartDial) // which proves it anew
			}
			s.cold(t, c.name)
			s.starts(t, c.name, c.after)
		})
	}
	s.closed(t)
}

// isShutOut expects the server's refusal of the login, time after time.
func (s *spared) isShutOut(t *testing.T, name, want string) {
	t.Helper()
	l := s.lease(t, name)
	defer l.Release()
	for range 4 {
		_, err := l.Exec(t.Context(), "SELECT 1")
		if !errors.Is(err, pools.ErrDatabase) || code(err) != want && code(err) != "" {
			t.Errorf("tenant %s, who may not connect: %v", name, err)
		}
		<-time.After(6 * time.Millisecond)
	}
}

// A spare does not see the password, so one that was changed on the server
// alone is believed in until a dial fails; not longer.
func TestASpareIsNotForALoginWhosePasswordFailed(t *testing.T) {
	t.Parallel()
	s := newSpared(t, newGate(t, nil), nil)
	spares := func(n int) {
		settings, _ := s.Cluster("main")
		settings.Spares = n
		if err := s.SetCluster("main", settings); err != nil {
			t.Fatal(err)
		}
		s.awaitSpares(t, n)
	}
	s.starts(t, "acme", pools.StartDial)
	s.gate.admin(t, "ALTER ROLE acme PASSWORD 'another'")
	s.cold(t, "acme")
	s.starts(t, "acme", pools.StartSpare)

	spares(0)
	s.Evict(id("acme"))
	s.isShutOut(t, "acme", "28P01")
	spares(spareCount)
	s.isShutOut(t, "acme", "28P01")

	s.gate.admin(t, "ALTER ROLE acme PASSWORD '"+password+"'")
	<-time.After(20 * time.Millisecond) // the longest back-off
	s.starts(t, "acme", pools.StartDial)
	s.cold(t, "acme")
	s.starts(t, "acme", pools.StartSpare)
	s.closed(t)
}

// tenantsOf is a pools.Tenants that nobody has checked.
type tenantsOf map[string]*registry.Tenant

func (m tenantsOf) Tenant(_ context.Context, id registry.ID) (*registry.Tenant, error) {
	if t, ok := m[id.String()]; ok {
		return t, nil
	}
	return nil, registry.ErrUnknown
}

// With the spares' own login, SQL could make the session any tenant's.
func TestNoTenantUsesTheLoginOfTheSpares(t *testing.T) {
	t.Parallel()
	g := newGate(t, nil)
	record := ownTenant("acme")
	record.Login = "gateway"
	foreign := ownTenant("globex")
	foreign.Login, foreign.Password = "", registry.Secret{}
	foreign.DSN = registry.NewSecret(g.server.DSN(g.database, "gateway", password))
	cfg := pools.Defaults()
	cfg.Clusters = map[string]registry.Cluster{"main": {
		DSN:      registry.NewSecret(g.server.DSN(g.database, "app", password)),
		SpareDSN: registry.NewSecret(g.server.DSN(g.database, "gateway", password)),
	}}
	k, err := pools.New(cfg, tenantsOf{"acme": record, "globex": foreign}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := k.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	for _, name := range []string{"acme", "globex"} {
		if _, err := k.Lease(t.Context(), id(name)); !errors.Is(err, pools.ErrRecord) {
			t.Errorf("tenant %s is lent the login of the spares: %v", name, err)
		}
	}
}

// A gateway that has powers of its own, or that others may become, is no
// gateway.
func TestNoSpareIsOpenedByALoginThatIsNotFitForIt(t *testing.T) {
	t.Parallel()
	for _, unfit := range []string{
		"GRANT gateway TO acme", "GRANT pg_read_all_data TO gateway", "ALTER ROLE gateway CREATEROLE",
		"REVOKE EXECUTE ON FUNCTION gate.set_session_auth(text) FROM gateway", "DROP EXTENSION set_user",
	} {
		t.Run(unfit, func(t *testing.T) {
			t.Parallel()
			g := newGate(t, nil)
			g.admin(t, unfit)
			s := newSpared(t, g, nil)
			for range 2 {
				s.starts(t, "globex", pools.StartDial)
				s.Evict(id("globex"))
				s.settled(t)
			}
			if n := s.seen.of("opened spare") + s.Budgets()[0].Spares; n != 0 {
				t.Errorf("there are %d spares", n)
			}
			s.closed(t)
		})
	}
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
