package integration_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// DISCARD ALL leaves the state of random() alone: whoever seeded it would know
// what the next tenant draws.
func TestATenantDoesNotKnowWhatTheNextOneDraws(t *testing.T) {
	t.Parallel()
	for _, sql := range []pools.SQL{pools.Untrusted, pools.Trusted} {
		t.Run(fmt.Sprint(sql), func(t *testing.T) {
			t.Parallel()
			h := newHandover(t, sql, "shared", "row")
			drawn := map[string]bool{}
			pids := map[uint32]bool{}
			for range 2 {
				pids[h.with(t, h.first, func(ctx context.Context, c *pools.Conn) {
					if err := says("SELECT setseed(0.5)")(ctx, c); err != nil {
						t.Fatal(err)
					}
				})] = true
				pids[h.with(t, h.second, func(ctx context.Context, c *pools.Conn) {
					drawn[showsOne(ctx, c, "SELECT random()::text")] = true
				})] = true
			}
			if len(drawn) != 2 {
				t.Errorf("the second tenant drew %v both times, as the first one had arranged", drawn)
			}
			if len(pids) != 1 {
				t.Errorf("the connection was not handed over: %v", pids)
			}
		})
	}
}

// A transaction that is SERIALIZABLE, READ ONLY and DEFERRABLE waits for
// others before its first query. The reset must not be one: it would wait
// for as long as its tenant likes, and whoever takes the place with it.
func TestAResetIsNotHeldUpByTheTenantsOwnTransactions(t *testing.T) {
	t.Parallel()
	h := newHandover(t, pools.Untrusted, "own", "own")
	if err := h.SetCluster("main", registry.Cluster{Budget: 2}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	l := h.lease(t, h.first)
	defer l.Release()
	writer, err := l.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Release()
	if err := says("BEGIN ISOLATION LEVEL SERIALIZABLE", "CREATE TABLE made()")(ctx, writer); err != nil {
		t.Fatal(err)
	}
	const deferrable = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE"
	pids := map[uint32]bool{}
	for range 2 {
		pids[h.with(t, h.first, func(ctx context.Context, c *pools.Conn) {
			if err := says(deferrable)(ctx, c); err != nil {
				t.Fatal(err)
			}
		})] = true
	}
	if len(pids) != 1 {
		t.Error("the reset waited, and the session was destroyed")
	}
}
