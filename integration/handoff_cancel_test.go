package integration_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestAStatementRunsToItsEndWhenItsTenantIsEvicted(t *testing.T) {
	t.Parallel()
	f := newShifting(t, pgtest.Shared(), 2, 4, nil)
	tenant := id("shared-0")
	l, err := f.Lease(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	holder, err := pgx.Connect(t.Context(), f.server.AdminDSN(f.database))
	if err != nil {
		t.Fatal(err)
	}
	let := sync.OnceFunc(func() { holder.Close(context.WithoutCancel(t.Context())) })
	defer let()
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock(1)"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := l.Exec(t.Context(), "SELECT pg_advisory_xact_lock(1)")
		ended <- err
	}()
	awaitWaiter(t, holder)
	if !f.Evict(tenant) {
		t.Error("there was no pool to evict")
	}
	f.rowOf(t, tenant) // on a pool of its own
	f.rowOf(t, id("row-1"))
	let()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	l.Release()
	f.settled(t)
	f.closed(t)
}

// awaitWaiter returns when a session of the database waits for an advisory lock.
func awaitWaiter(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	for waits := false; !waits; {
		err := conn.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) FROM pg_sleep(0.01)`).Scan(&waits)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestACancelRightAfterAHandoffCancelsTheRightStatement(t *testing.T) {
	t.Parallel()
	f := newShifting(t, pgtest.Shared(), 3, 40, nil)
	f.cancelsAfterHandoffs(t)
	f.closed(t)
}

// cancelsAfterHandoffs lets tenants take over each other's connections and
// cancel what they run, while two statements run on that must not be hit.
func (f *fleet) cancelsAfterHandoffs(t *testing.T) {
	t.Helper()
	var bystanders sync.WaitGroup
	over, stop := context.WithCancel(t.Context())
	for _, name := range []string{"shared-0", "row-0"} {
		bystanders.Go(func() { f.runsUndisturbed(over, t, id(name)) })
	}
	for i := 1; i < 12; i++ {
		for _, mark := range []string{"shared", "row"} {
			tenant := id(fmt.Sprintf("%s-%d", mark, i))
			f.cancels(t, tenant, time.Duration(i%4)*time.Millisecond)
			f.rowOf(t, tenant)
		}
	}
	stop()
	bystanders.Wait()
	f.settled(t)
}

// cancels runs a statement on a connection that is the tenant's since this
// moment, and cancels it after a while.
func (f *fleet) cancels(t *testing.T, tenant registry.ID, after time.Duration) {
	t.Helper()
	l, err := f.Lease(t.Context(), tenant)
	if err != nil {
		t.Error(err)
		return
	}
	defer l.Release()
	c, err := l.Acquire(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Release()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	timer := time.AfterFunc(after, cancel)
	defer timer.Stop()
	began := time.Now()
	_, err = c.Exec(ctx, "SELECT pg_sleep(20)")
	if !isCancelled(err) || time.Since(began) > 10*time.Second {
		t.Errorf("tenant %s: the cancelled statement ended after %v: %v", tenant, time.Since(began), err)
	}
}

func isCancelled(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "57014" || errors.Is(err, context.Canceled)
}

// runsUndisturbed runs statements that nobody cancels, until ctx ends.
func (f *fleet) runsUndisturbed(ctx context.Context, t *testing.T, tenant registry.ID) {
	for ctx.Err() == nil {
		l, err := f.Lease(t.Context(), tenant)
		if err != nil {
			t.Error(err)
			return
		}
		var name string
		err = l.QueryRow(t.Context(), "SELECT tenant FROM items, pg_sleep(0.05)").Scan(&name)
		l.Release()
		if err != nil || name != tenant.String() {
			t.Errorf("tenant %s, whom nobody cancels: %q, %v", tenant, name, err)
		}
	}
}
