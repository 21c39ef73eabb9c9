package integration_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// handover is a fleet of which two tenants share the one connection that the
// cluster's budget allows.
type handover struct {
	*fleet
	first, second string // the tenants: one leaves, the other looks
	other         string // a role that their login is a member of
}

func newHandover(t *testing.T, sql pools.SQL, first, second string) *handover {
	t.Helper()
	f := newFleet(t, func(c *pools.Config) {
		main := c.Clusters["main"]
		main.Budget = 1
		c.Clusters["main"] = main
		c.SQL, c.StealAfter, c.KeepWarm = sql, 0, 0
	}, first, second)
	h := &handover{fleet: f, first: first + "-0", second: second + "-1", other: f.database + "_other"}
	admin(t, f.server, f.database,
		"CREATE ROLE "+h.other, "GRANT "+h.other+" TO "+f.shared,
		"CREATE SCHEMA code; GRANT USAGE ON SCHEMA code TO PUBLIC",
		"CREATE SEQUENCE code.numbers CACHE 10; GRANT ALL ON code.numbers TO PUBLIC",
		"CREATE FUNCTION code.by_plpgsql() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT string_agg(DISTINCT tenant, ',') FROM items); END $$",
		"SET check_function_bodies TO off", // items is not there for the superuser
		"CREATE FUNCTION code.by_sql() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(DISTINCT tenant, ',') FROM items $$",
		"CREATE FUNCTION code.told(message text, count int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..count LOOP RAISE NOTICE '%', message; END LOOP; END $$",
	)
	t.Cleanup(func() { admin(t, f.server, f.database, "DROP ROLE "+h.other) })
	return h
}

func TestNothingOfTheEarlierTenantIsVisibleAfterAHandoff(t *testing.T) {
	t.Parallel()
	for _, sql := range []pools.SQL{pools.Untrusted, pools.Trusted} {
		for _, pair := range [][2]string{{"shared", "shared"}, {"row", "row"}, {"row", "shared"}, {"shared", "row"}} {
			t.Run(fmt.Sprintf("%s, %s to %s", sql, pair[0], pair[1]), func(t *testing.T) {
				t.Parallel()
				h := newHandover(t, sql, pair[0], pair[1])
				for _, kind := range h.traces() {
					t.Run(kind.name, func(t *testing.T) { h.try(t, kind) })
				}
			})
		}
	}
}

// try has the second tenant look into a new connection, the first leave
// something in the same one, and the second look again.
func (h *handover) try(t *testing.T, kind trace) {
	t.Helper()
	h.with(t, h.second, func(_ context.Context, c *pools.Conn) { c.Discard() })
	var before, left, after string
	pids := [3]uint32{
		h.with(t, h.second, func(ctx context.Context, c *pools.Conn) { before = kind.look(ctx, c) }),
		h.with(t, h.first, func(ctx context.Context, c *pools.Conn) { h.leave(ctx, t, c, kind) }),
		h.with(t, h.second, func(ctx context.Context, c *pools.Conn) {
			after = kind.look(ctx, c)
			h.isSecond(ctx, t, c)
		}),
	}
	if after != before {
		t.Errorf("of the earlier tenant is to be seen\n%s\nwithout it\n%s", after, before)
	}
	if pids[0] != pids[1] || pids[1] != pids[2] && !kind.closes {
		t.Errorf("the connection was not handed over: %d, %d, %d", pids[0], pids[1], pids[2])
	}
	h.with(t, h.first, func(ctx context.Context, c *pools.Conn) {
		h.leave(ctx, t, c, kind)
		left = kind.look(ctx, c)
		c.Discard()
	})
	if left == before && !kind.unseen {
		t.Errorf("what was left cannot be seen where it was left: %s", left)
	}
}

// leave leaves the trace, in a session whose tenant is not to be found in the
// list of sessions by name.
func (h *handover) leave(ctx context.Context, t *testing.T, c *pools.Conn, kind trace) {
	t.Helper()
	h.isOpaque(ctx, t, c, h.first)
	if err := kind.leave(ctx, c); err != nil {
		t.Fatal(err)
	}
}

// with lends a connection of the tenant to fn and returns its backend's number.
func (h *handover) with(t *testing.T, tenant string, fn func(context.Context, *pools.Conn)) uint32 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	l := h.lease(t, tenant)
	defer l.Release()
	c, err := l.Acquire(ctx)
	if err != nil {
		t.Fatalf("tenant %s: %v", tenant, err)
	}
	defer c.Release()
	var pid uint32
	if err := c.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid); err != nil {
		t.Fatal(err)
	}
	if known := c.Conn().PgConn().PID(); known != pid {
		t.Errorf("the driver would cancel the backend %d, but talks to %d", known, pid)
	}
	fn(ctx, c)
	return pid
}

// isSecond fails unless the session is the second tenant's in every respect.
func (h *handover) isSecond(ctx context.Context, t *testing.T, c *pools.Conn) {
	t.Helper()
	if rows := showsOne(ctx, c, rowsShown); rows != h.second {
		t.Errorf("tenant %s sees the rows of %s", h.second, rows)
	}
	h.isOpaque(ctx, t, c, h.second)
}

// isOpaque fails unless the session's application_name is one that the keeper
// alone can tell whose it is.
func (h *handover) isOpaque(ctx context.Context, t *testing.T, c *pools.Conn, tenant string) {
	t.Helper()
	name := showsOne(ctx, c, "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()")
	for _, word := range []string{h.first, h.second, strings.ReplaceAll(h.first, "-", "_"), strings.ReplaceAll(h.second, "-", "_")} {
		if strings.Contains(name, word) {
			t.Errorf("application_name %q names a tenant", name)
		}
	}
	if id, ok := h.TenantOf(name); !ok || id != registry.MustParseID(tenant) {
		t.Errorf("application_name %q of tenant %s is that of %v", name, tenant, id)
	}
}
