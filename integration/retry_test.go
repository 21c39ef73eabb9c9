package integration_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
)

// code is the SQLSTATE of an error, or "".
func codeOf(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// Two transactions read what the other is about to change: PostgreSQL lets one
// of them commit, and the other is run again.
func TestATransactionThatCannotBeSerializedIsRunAgain(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, "own")
	l := f.lease(t, "own-0")
	defer l.Release()
	serializable := pgx.TxOptions{IsoLevel: pgx.Serializable}
	runs, codes := 0, []string{}
	err := pools.Retry{}.Do(t.Context(), func() error {
		runs++
		err := l.InTx(t.Context(), serializable, func(tx pgx.Tx) error {
			if err := countAndAdd(t.Context(), tx); err != nil || runs > 1 {
				return err
			}
			return l.InTx(t.Context(), serializable, func(other pgx.Tx) error { return countAndAdd(t.Context(), other) })
		})
		codes = append(codes, codeOf(err))
		return err
	})
	if err != nil || fmt.Sprint(codes) != "[40001 ]" {
		t.Errorf("it ended with %v after %q", err, codes)
	}
	var n int
	if err := l.QueryRow(t.Context(), "SELECT count(*) FROM items").Scan(&n); err != nil || n != 4 {
		t.Errorf("%d rows (%v), want 4: what was rolled back is there", n, err)
	}
}

func countAndAdd(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "INSERT INTO items SELECT count(*), 'own-0' FROM items")
	return err
}

// Two transactions lock the same rows in opposite orders: PostgreSQL ends one
// of them, which is run again.
func TestATransactionThatIsInADeadlockIsRunAgain(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, "own")
	l := f.lease(t, "own-0")
	defer l.Release()
	var runs, ended atomic.Int32
	first, second := make(chan struct{}), make(chan struct{})
	transfer := func(from, to int, mine, theirs chan struct{}) error {
		tried := false
		err := l.InTxRetry(t.Context(), pgx.TxOptions{}, func(tx pgx.Tx) error {
			runs.Add(1)
			const lock = "UPDATE items SET tenant = tenant || '!' WHERE id = $1"
			if _, err := tx.Exec(t.Context(), lock, from); err != nil {
				return err
			}
			if !tried {
				tried = true
				close(mine)
				<-theirs
			}
			_, err := tx.Exec(t.Context(), lock, to)
			if codeOf(err) == "40P01" {
				ended.Add(1)
			}
			return err
		})
		return err
	}
	errs := make(chan error, 2)
	go func() { errs <- transfer(1, 2, first, second) }()
	go func() { errs <- transfer(2, 1, second, first) }()
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if runs.Load() != 2+ended.Load() || ended.Load() < 1 {
		t.Errorf("%d runs, %d of them ended by the deadlock", runs.Load(), ended.Load())
	}
	var marks string
	if err := l.QueryRow(t.Context(), "SELECT string_agg(tenant, ' ' ORDER BY id) FROM items").Scan(&marks); err != nil || marks != "own-0!! own-0!!" {
		t.Errorf("rows are %q (%v)", marks, err)
	}
}

func TestSettingsOfATransactionAreInForceUntilItEnds(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(c *pools.Config) { c.MaxConns = 1 }, "own")
	l := f.lease(t, "own-0")
	defer l.Release()
	const ask = "SELECT coalesce(current_setting('app.user', true), '') || '/' || coalesce(current_setting('app.org', true), '')"
	settings := map[string]string{"app.user": `o'brien"; DROP TABLE items --`, "app.org": "ünïcode"}
	for _, end := range []error{nil, errors.New("a change of mind")} {
		var within, after string
		err := l.InTxWith(t.Context(), pgx.TxOptions{}, settings, func(tx pgx.Tx) error {
			return errors.Join(tx.QueryRow(t.Context(), ask).Scan(&within), end)
		})
		if !errors.Is(err, end) || within != settings["app.user"]+"/"+settings["app.org"] {
			t.Errorf("within it %q, %v", within, err)
		}
		if err := l.QueryRow(t.Context(), ask).Scan(&after); err != nil || after != "/" {
			t.Errorf("after it %q, %v", after, err)
		}
	}
	if got := owner(t, l); got != "own-0" {
		t.Errorf("rows of %q", got)
	}
}

// A policy of the tenant's own decides by the setting.
func TestARowPolicyCanAskForASetting(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, "own")
	l := f.lease(t, "own-0")
	defer l.Release()
	for _, sql := range []string{
		"CREATE TABLE notes (author text, body text)", "INSERT INTO notes VALUES ('ann', 'a'), ('bob', 'b')",
		"ALTER TABLE notes ENABLE ROW LEVEL SECURITY", "ALTER TABLE notes FORCE ROW LEVEL SECURITY",
		"CREATE POLICY own ON notes USING (author = current_setting('app.user', true))",
	} {
		if _, err := l.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for user, want := range map[string]string{"ann": "a", "bob": "b", "eve": ""} {
		var got string
		err := l.InTxWith(t.Context(), pgx.TxOptions{}, map[string]string{"app.user": user}, func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "SELECT coalesce(string_agg(body, ','), '') FROM notes").Scan(&got)
		})
		if err != nil || got != want {
			t.Errorf("%s sees %q (%v), want %q", user, got, err, want)
		}
	}
}
