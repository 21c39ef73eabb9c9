//go:build setuser

package integration_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Signals go by who the session is now, what is seen of it by who it was.
func TestWhoMaySeeAndCancelAClaimedSession(t *testing.T) {
	t.Parallel()
	g := newGate(t, nil)
	c := g.claimed(t)
	if _, err := run(t, c, "SET statement_timeout TO 0"); err != nil {
		t.Fatal(err)
	}
	for _, who := range []struct{ login, sees, code string }{
		{"globex", "gateway|<insufficient privilege>", "42501"},
		{"gateway", "gateway|SELECT pg_sleep(60)", "42501"},
		{"acme", "gateway|<insufficient privilege>", ""},
	} {
		ended := make(chan error, 1)
		go func() {
			_, err := c.Exec(context.WithoutCancel(t.Context()), "SELECT pg_sleep(60)").ReadAll()
			ended <- err
		}()
		g.awaitSleep(t, c.PID())
		other := g.connect(t, who.login)
		pid := fmt.Sprint(c.PID())
		if got, err := run(t, other, "SELECT usename, query FROM pg_stat_activity WHERE pid = "+pid); err != nil || got != who.sees {
			t.Errorf("%s sees %q, %v", who.login, got, err)
		}
		if _, err := run(t, other, "SELECT pg_cancel_backend("+pid+")"); code(err) != who.code {
			t.Errorf("%s cancels: %v", who.login, err)
		}
		if who.code != "" { // the connection's own cancel key is as good as before
			if err := c.CancelRequest(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := <-ended; code(err) != "57014" {
			t.Errorf("the statement ended with %v", err)
		}
	}
}

// awaitSleep returns when the session sleeps.
func (g *gate) awaitSleep(t *testing.T, pid uint32) {
	t.Helper()
	boss, err := pgx.Connect(t.Context(), g.server.AdminDSN(g.database))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = boss.Close(t.Context()) }()
	for sleeps := false; !sleeps; {
		err := boss.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep')", pid).Scan(&sleeps)
		if err != nil {
			t.Fatal(err)
		}
	}
}
