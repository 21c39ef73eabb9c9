package pools

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// The driver's results, with the connection given back at their end.

type leasedRows struct {
	pgx.Rows
	conn *Conn
}

func (r *leasedRows) Close() {
	r.Rows.Close()
	r.conn.Release()
}

func (r *leasedRows) Next() bool {
	more := r.Rows.Next()
	if !more {
		r.Close()
	}
	return more
}

func (r *leasedRows) Scan(dest ...any) error {
	err := r.Rows.Scan(dest...)
	if err != nil {
		r.Close()
	}
	return err
}

func (r *leasedRows) Values() ([]any, error) {
	values, err := r.Rows.Values()
	if err != nil {
		r.Close()
	}
	return values, err
}

type leasedRow struct {
	row  pgx.Row
	conn *Conn
}

func (r leasedRow) Scan(dest ...any) error {
	// A destination's Scan may panic: the connection goes back all the same.
	defer r.conn.Release()
	return r.row.Scan(dest...)
}

type leasedTx struct {
	pgx.Tx
	conn *Conn
}

func (t *leasedTx) Commit(ctx context.Context) error {
	defer t.conn.Release()
	return t.Tx.Commit(ctx)
}

// Rollback rolls back also when ctx has ended, as it has when a request was
// cancelled: with a dead context the driver could only close the connection.
func (t *leasedTx) Rollback(ctx context.Context) error {
	defer t.conn.Release()
	if ctx.Err() == nil || !t.conn.held.Load() {
		return t.Tx.Rollback(ctx)
	}
	limit := t.conn.session.entry.keeper.cfg.CancelTimeout
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(limit, time.Second))
	defer cancel()
	return t.Tx.Rollback(ctx)
}

// leasedBatch gives the connection back when it is closed; a batch that began
// a transaction (pgx.Batch.BeginTx) leaves that to the transaction's end.
type leasedBatch struct {
	pgx.BatchResults
	conn *Conn
	tx   *leasedTx
}

func (b *leasedBatch) Close() error {
	err := b.BatchResults.Close()
	if b.tx == nil {
		b.conn.Release()
	}
	return err
}

func (b *leasedBatch) Tx() pgx.Tx {
	if b.tx == nil {
		return nil
	}
	return b.tx
}

// Results of a statement that got no connection.

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

type failedRows struct{ err error }

func (failedRows) Close()                                       {}
func (r failedRows) Err() error                                 { return r.err }
func (failedRows) CommandTag() pgconn.CommandTag                { return pgconn.CommandTag{} }
func (failedRows) FieldDescriptions() []pgconn.FieldDescription { return nil }
func (failedRows) Next() bool                                   { return false }
func (r failedRows) Scan(...any) error                          { return r.err }
func (r failedRows) Values() ([]any, error)                     { return nil, r.err }
func (failedRows) RawValues() [][]byte                          { return nil }
func (failedRows) Conn() *pgx.Conn                              { return nil }
func (failedRows) TypeMap() *pgtype.Map                         { return nil }
