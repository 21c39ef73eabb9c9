package isolationtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// cancellation gives up transactions at many moments: before the connection
// is there, before the statement has begun, while it runs.
func (x *trial) cancellation(ctx context.Context) error {
	for i := range 20 {
		short, cancel := context.WithTimeout(ctx, time.Duration(i)*time.Millisecond)
		m, err := x.spoiled(short, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "SELECT pg_sleep(60)")
			return err
		})
		cancel()
		if err == nil {
			return errors.New("a query that was cancelled ended well")
		}
		if err := x.nothingOf(ctx, m, "a cancelled context"); err != nil {
			return err
		}
	}
	return nil
}

// changedSessions has A leave its connection as B's would look, or otherwise
// than it was, and give it back.
func (x *trial) changedSessions(ctx context.Context) error {
	path, role, err := x.looks(ctx, x.B)
	if err != nil {
		return err
	}
	set := "SELECT set_config($1, $2, false)"
	for _, change := range []struct {
		what string
		sql  string
		args []any
	}{
		{"the search path was set to the other tenant's", set, []any{"search_path", path}},
		{"the search path was emptied", set, []any{"search_path", ""}},
		{"the row setting was set to the other tenant's", set, []any{x.RowSetting, x.B.String()}},
		{"the role was set to the other tenant's", set, []any{"role", role}},
		{"everything was reset", "RESET ALL", nil},
		{"everything was discarded", "DISCARD ALL", nil},
		{"a temporary table took the table's place", x.shadow(), nil},
	} {
		if err := x.leave(ctx, change.sql, change.args...); err != nil {
			return fmt.Errorf("after %s: %w", change.what, err)
		}
		if err := x.apart(ctx, "after "+change.what); err != nil {
			return err
		}
	}
	return nil
}

// looks are what tells a tenant's sessions from another's.
func (x *trial) looks(ctx context.Context, id registry.ID) (path, role string, err error) {
	err = x.on(ctx, id, func(l *pools.Lease) error {
		return l.QueryRow(ctx, "SELECT current_setting('search_path'), current_user").Scan(&path, &role)
	})
	return path, role, err
}

// shadow makes a temporary table by the name of the tenant's.
func (x *trial) shadow() string {
	if x.Table == "" || strings.Contains(x.Table, ".") {
		return "CREATE TEMPORARY TABLE isolationtest_shadow ()"
	}
	return fmt.Sprintf("CREATE TEMPORARY TABLE %s AS SELECT * FROM %s", x.Table, x.Table)
}

// leave runs sql on a connection of A's. A server that does not allow it to A
// has done what was asked for.
func (x *trial) leave(ctx context.Context, sql string, args ...any) error {
	return x.on(ctx, x.A, func(l *pools.Lease) error {
		c, err := l.Acquire(ctx)
		if err != nil {
			return err
		}
		defer c.Release()
		_, _ = c.Exec(ctx, sql, args...)
		return nil
	})
}

// eviction takes A's pool away while a statement runs and a transaction is
// open, and has a new one opened beside it.
func (x *trial) eviction(ctx context.Context) error {
	return x.on(ctx, x.A, func(l *pools.Lease) error {
		m := x.marker()
		tx, err := l.Begin(ctx)
		if err != nil {
			return fmt.Errorf("tenant %s: beginning a transaction: %w", x.A, err)
		}
		defer tx.Rollback(ctx) //nolint:errcheck // it is over when all goes well
		if err := x.Insert(ctx, tx, m); err != nil {
			return err
		}
		running := make(chan error, 1)
		go func() {
			_, err := l.Exec(ctx, "SELECT pg_sleep(0.2)")
			running <- err
		}()
		x.Keeper.Evict(x.A)
		beside := x.apart(ctx, "while a pool that was evicted is in use")
		if err := <-running; err != nil {
			return errors.Join(beside, fmt.Errorf("tenant %s: an eviction cut a query off: %w", x.A, err))
		}
		return errors.Join(beside,
			x.seesOn(ctx, tx, x.A, m, 1, "a transaction lost its rows to an eviction"), tx.Commit(ctx),
			x.sees(ctx, x.A, m, 1, "a transaction was lost to an eviction"),
			x.sees(ctx, x.B, m, 0, fmt.Sprintf("it sees a transaction of tenant %s", x.A)))
	})
}

// race has many goroutines use both tenants in turn.
func (x *trial) race(ctx context.Context) error {
	const callers, rounds = 8, 15
	wrong := make([]error, callers)
	var running sync.WaitGroup
	for i := range callers {
		running.Go(func() {
			for range rounds {
				if wrong[i] = x.apart(ctx, "with many at once"); wrong[i] != nil {
					return
				}
			}
		})
	}
	running.Wait()
	return errors.Join(wrong...)
}
