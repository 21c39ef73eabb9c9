package integration_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolkeeper/poolkeeper/pools"
)

// poolLike is what pgx users expect of a pool; a lease must do.
type poolLike interface {
	BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	CopyFrom(ctx context.Context, t pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error)
}

var (
	_ poolLike = (*pools.Lease)(nil)
	_ poolLike = (*pools.Conn)(nil)
	_ poolLike = (*pgxpool.Pool)(nil)
)

// panics is a destination whose Scan panics.
type panics struct{}

func (panics) Scan(any) error { panic("a destination's mistake") }

// uses are all the ways to use a lease, ended well, early, or badly. Each
// returns what it read.
func uses(t *testing.T, l *pools.Lease) map[string]func() any {
	c := t.Context()
	first := func(row pgx.Row) any {
		var v any
		if err := row.Scan(&v); err != nil {
			return err.Error()
		}
		return v
	}
	return map[string]func() any{
		"QueryRow":           func() any { return first(l.QueryRow(c, "SELECT 7::int8")) },
		"QueryRow, no row":   func() any { return first(l.QueryRow(c, "SELECT 1 WHERE false")) },
		"QueryRow, panic":    func() any { return recovered(func() { _ = l.QueryRow(c, "SELECT 1").Scan(panics{}) }) },
		"Query":              func() any { return collect(l.Query(c, "SELECT generate_series(1, 3)::int8")) },
		"Query, bad SQL":     func() any { return collect(l.Query(c, "SELEC")) },
		"Query, ended early": func() any { return early(l.Query(c, "SELECT generate_series(1, 1000)")) },
		"Query, bad scan":    func() any { return badScan(l.Query(c, "SELECT 'x'")) },
		"Query, values":      func() any { return values(l.Query(c, "SELECT 7::int8")) },
		"Begin, Commit": func() any {
			tx, err := l.Begin(c)
			if err != nil {
				return err
			}
			v := first(tx.QueryRow(c, "SELECT 7::int8"))
			return errors.Join(tx.Commit(c), orNil(v != int64(7)))
		},
		"Begin, Rollback twice": func() any {
			tx, err := l.Begin(c)
			if err != nil {
				return err
			}
			return []any{tx.Rollback(c), errors.Is(tx.Rollback(c), pgx.ErrTxClosed)}
		},
		"BeginTx, bad": func() any {
			_, err := l.BeginTx(c, pgx.TxOptions{BeginQuery: "BEGI"})
			return err != nil
		},
		"InTx, panic": func() any {
			return recovered(func() { _ = l.InTx(c, pgx.TxOptions{}, func(pgx.Tx) error { panic("a mistake") }) })
		},
		"SendBatch": func() any {
			b := &pgx.Batch{}
			b.Queue("SELECT 7::int8")
			r := l.SendBatch(c, b)
			v := first(r.QueryRow())
			return errors.Join(r.Close(), orNil(r.Tx() != nil || v != int64(7)))
		},
		"SendBatch, BeginTx": func() any {
			b := &pgx.Batch{}
			b.BeginTx(pgx.TxOptions{})
			b.Queue("SELECT 7::int8")
			r := l.SendBatch(c, b)
			if err := r.Close(); err != nil {
				return err
			}
			return r.Tx().Commit(c)
		},
		"CopyFrom": func() any {
			n, err := l.CopyFrom(c, pgx.Identifier{"items"}, []string{"id", "tenant"},
				pgx.CopyFromRows([][]any{{3, "own-0"}, {4, "own-0"}}))
			return errors.Join(err, orNil(n != 2))
		},
		"Acquire": func() any {
			conn, err := l.Acquire(c)
			if err != nil {
				return err
			}
			defer conn.Release()
			b := &pgx.Batch{}
			b.Queue("SELECT 1")
			n, err := conn.CopyFrom(c, pgx.Identifier{"items"}, []string{"id"}, pgx.CopyFromRows(nil))
			tx, terr := conn.Begin(c)
			if terr != nil {
				return terr
			}
			return errors.Join(err, orNil(n != 0), tx.Rollback(c), conn.SendBatch(c, b).Close(), conn.Ping(c),
				orNil(first(conn.QueryRow(c, "SELECT 7::int8")) != int64(7)))
		},
	}
}

func orNil(wrong bool) error {
	if wrong {
		return errors.New("a wrong result")
	}
	return nil
}

func recovered(fn func()) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	fn()
	return false
}

func collect(rows pgx.Rows, _ error) any {
	list, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return "error"
	}
	return len(list)
}

func early(rows pgx.Rows, err error) any {
	rows.Next()
	rows.Close()
	return errors.Join(err, rows.Err())
}

func badScan(rows pgx.Rows, _ error) any {
	var n int
	rows.Next()
	return rows.Scan(&n) != nil
}

func values(rows pgx.Rows, err error) any {
	rows.Next()
	got, verr := rows.Values()
	rows.Close()
	return errors.Join(err, verr, orNil(len(got) != 1))
}

func TestEveryUseOfALeaseGivesItsConnectionBack(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(c *pools.Config) { c.MaxConns, c.QueueTimeout = 1, 5*time.Second }, "own")
	l := f.lease(t, "own-0")
	defer l.Release()
	want := map[string]any{
		"QueryRow": int64(7), "QueryRow, no row": pgx.ErrNoRows.Error(), "QueryRow, panic": true,
		"Query": 3, "Query, bad SQL": "error", "Query, bad scan": true, "BeginTx, bad": true, "InTx, panic": true,
	}
	for name, use := range uses(t, l) {
		got := use()
		if pair, ok := got.([]any); ok {
			if pair[0] != nil || pair[1] != true {
				t.Errorf("%s gives %v", name, pair)
			}
		} else if err, ok := got.(error); got != want[name] && (ok || want[name] != nil) {
			t.Errorf("%s gives %v (%v), want %v", name, got, err, want[name])
		}
		if _, err := l.Exec(t.Context(), "SELECT 1"); err != nil {
			t.Fatalf("after %s the connection is gone: %v", name, err)
		}
	}
	if s := f.Stats(); len(s) != 1 || s[0].Acquired != 0 {
		t.Errorf("pools are %+v", s)
	}
}

func TestEveryUseOfALeaseReportsThatTheDatabaseIsDown(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, "own")
	l := f.lease(t, "own-0")
	defer l.Release()
	admin(t, f.server, f.database, "ALTER ROLE "+pgx.Identifier{l.Tenant().Login}.Sanitize()+" NOLOGIN")
	c := t.Context()
	_, acquire := l.Acquire(c)
	_, exec := l.Exec(c, "SELECT 1")
	rows, query := l.Query(c, "SELECT 1")
	_, begin := l.Begin(c)
	_, cp := l.CopyFrom(c, pgx.Identifier{"items"}, nil, pgx.CopyFromRows(nil))
	_, valuesErr := rows.Values()
	batch := l.SendBatch(c, &pgx.Batch{})
	for name, err := range map[string]error{
		"Acquire": acquire, "Exec": exec, "Query": query, "Query's rows": rows.Err(), "Scan": rows.Scan(), "Values": valuesErr,
		"QueryRow": l.QueryRow(c, "SELECT 1").Scan(), "Begin": begin, "CopyFrom": cp, "SendBatch": batch.Close(),
		"InTx": l.InTx(c, pgx.TxOptions{}, func(pgx.Tx) error { return nil }),
	} {
		if !errors.Is(err, pools.ErrDatabase) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if rows.Next() || rows.Conn() != nil || rows.FieldDescriptions() != nil || rows.RawValues() != nil {
		t.Error("rows without a connection have something to say")
	}
	rows.Close()
}
