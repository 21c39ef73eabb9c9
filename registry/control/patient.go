package control

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// patient is a pool whose statements end by themselves, whatever their callers
// say: there are few connections, and one that waits for a server which is
// silent is not there for anybody else.
type patient struct{ *pgxpool.Pool }

// Exec is pgxpool.Pool's.
func (p *patient) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	ctx, cancel := context.WithTimeout(ctx, silent)
	defer cancel()
	return p.Pool.Exec(ctx, sql, args...)
}

// Query is pgxpool.Pool's. The rows are to be read within the same time.
func (p *patient) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	ctx, cancel := context.WithTimeout(ctx, silent)
	rows, err := p.Pool.Query(ctx, sql, args...) //nolint:rowserrcheck // whoever reads them asks
	if err != nil {
		cancel()
		return nil, err
	}
	return &patientRows{rows, cancel}, nil
}

// QueryRow is pgxpool.Pool's.
func (p *patient) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	ctx, cancel := context.WithTimeout(ctx, silent)
	return &patientRow{p.Pool.QueryRow(ctx, sql, args...), cancel}
}

// inTx is pgx.BeginFunc, within the same time.
func (p *patient) inTx(ctx context.Context, work func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, silent)
	defer cancel()
	return pgx.BeginFunc(ctx, p.Pool, func(tx pgx.Tx) error { return work(ctx, tx) })
}

type patientRows struct {
	pgx.Rows
	cancel context.CancelFunc
}

// Close is pgx.Rows'; whoever reads rows calls it.
func (r *patientRows) Close() {
	r.Rows.Close()
	r.cancel()
}

type patientRow struct {
	pgx.Row
	cancel context.CancelFunc
}

// Scan is pgx.Row's.
func (r *patientRow) Scan(into ...any) error {
	defer r.cancel()
	return r.Row.Scan(into...)
}
