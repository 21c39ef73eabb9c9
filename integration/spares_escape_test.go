//go:build setuser

package integration_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

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
