package pools

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Lease is a tenant's pool pinned for a unit of work: while it is held, the
// pool is not closed. It costs no connection; each statement takes one for
// as long as it runs. It has the method set that pgx users and sqlc's
// generated DBTX expect, and may be used concurrently.
//
// A statement whose context ends is cancelled on the server, so that the
// connection survives: its error is PostgreSQL's (SQLSTATE 57014), or the
// context's when it had not begun.
type Lease struct {
	entry    *entry
	released atomic.Bool
	// first is the connection of the first Acquire, here so that the common
	// lease with one acquire costs one allocation.
	first Conn
	taken atomic.Bool
	// more counts the others that are held; ended says that none may be.
	more  atomic.Int32
	ended atomic.Bool
}

// Tenant returns the record that the pool serves.
func (l *Lease) Tenant() *registry.Tenant { return l.entry.record.Load() }

// Release gives the pool back; calling it again does nothing. Connections
// that were acquired stay usable until they are released themselves; see End.
func (l *Lease) Release() {
	if l.released.CompareAndSwap(false, true) {
		l.entry.unpin()
	}
}

// Acquire takes one connection of the tenant out of the pool: an idle one, or
// the first that comes back or is opened, in the order of the callers. One is
// opened while the tenant is below its maximum and the cluster's budget has
// room, or can make some. Release it.
//
// Errors: ErrTenantQueue, ErrTenantTimeout, ErrBudget, ErrClusterQueue,
// *DatabaseError, ErrDrained, ErrReleased, or the context's. Who holds one and
// asks for another while the tenant has no more waits for himself: a statement
// on the lease within a transaction, or while rows are open, takes a second
// connection, and ends in ErrTenantTimeout when MaxConns is one.
func (l *Lease) Acquire(ctx context.Context) (*Conn, error) {
	if l.released.Load() {
		return nil, fmt.Errorf("tenant %s: lease: %w", l.entry.tenant.ID, ErrReleased)
	}
	c := &l.first
	if !l.taken.CompareAndSwap(false, true) {
		c = &Conn{beside: l}
		l.more.Add(1)
	}
	if err := l.entry.lend(ctx, c); err != nil {
		c.uncount()
		return nil, err
	}
	if l.ended.Load() { // meanwhile: either End saw the holder, or it is seen here
		c.Release()
		return nil, fmt.Errorf("tenant %s: lease: %w", l.entry.tenant.ID, ErrReleased)
	}
	return c, nil
}

// lend fills c with a connection that is the tenant's beyond doubt.
func (e *entry) lend(ctx context.Context, c *Conn) error {
	if e.keeper.obs == nil {
		_, err := e.acquire(ctx, c)
		return err
	}
	began := time.Now()
	start, err := e.acquire(ctx, c)
	e.keeper.obs.Acquired(e.tenant.ID, e.tenant.Cluster, start, time.Since(began), err)
	return err
}

// acquire takes connections until one is as it should be; each that is not is
// destroyed, and a new one that is not is an error.
func (e *entry) acquire(ctx context.Context, c *Conn) (start string, err error) {
	for {
		if e.cut.Load() {
			return StartWarm, fmt.Errorf("tenant %s: %w", e.tenant.ID, ErrDrained)
		}
		s, err := e.take(ctx)
		if err != nil {
			return StartDial, e.acquireError(ctx, err)
		}
		fresh, rested := s.lent == 0, s.rest > 0
		start = StartWarm
		if fresh {
			start = s.how
		}
		s.lent++
		if err = s.ready(ctx); err == nil {
			c.hold(s)
			return start, nil
		}
		s.putAside(err)
		if fresh && !rested || ctx.Err() != nil {
			return start, e.acquireError(ctx, err)
		}
	}
}

// putAside deals with a session that was not ready to be lent.
func (s *session) putAside(err error) {
	if errors.Is(err, errStillResetting) {
		s.goBack()
		return
	}
	s.refuse(err)
	if s.unanswered { // the server's side goes on until it is told to end
		s.entry.keeper.workers.Go(s.reap)
	}
	s.goBack()
}

// Exec runs sql; see pgxpool.Pool.Exec.
func (l *Lease) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	c, err := l.Acquire(ctx)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	defer c.Release()
	return c.Exec(ctx, sql, args...)
}

// Query runs sql; the rows must be closed, which gives the connection back.
func (l *Lease) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	c, err := l.Acquire(ctx)
	if err != nil {
		return failedRows{err}, err
	}
	rows, err := c.Query(ctx, sql, args...)
	if err != nil {
		c.Release()
		return failedRows{err}, err
	}
	return &leasedRows{Rows: rows, conn: c}, nil
}

// QueryRow runs sql; Scan must be called, which gives the connection back.
func (l *Lease) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	c, err := l.Acquire(ctx)
	if err != nil {
		return failedRow{err}
	}
	return leasedRow{row: c.QueryRow(ctx, sql, args...), conn: c}
}

// Begin starts a transaction; Commit or Rollback must be called, which gives
// the connection back.
func (l *Lease) Begin(ctx context.Context) (pgx.Tx, error) { return l.BeginTx(ctx, pgx.TxOptions{}) }

// BeginTx is Begin with options.
func (l *Lease) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	c, err := l.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := c.BeginTx(ctx, options)
	if err != nil {
		c.Release()
		return nil, err
	}
	return &leasedTx{Tx: tx, conn: c}, nil
}

// SendBatch sends b; the results must be closed, which gives the connection
// back, unless the batch began a transaction: then its end does.
func (l *Lease) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	c, err := l.Acquire(ctx)
	if err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	results := &leasedBatch{BatchResults: c.SendBatch(ctx, b), conn: c}
	if tx := results.BatchResults.Tx(); tx != nil {
		results.tx = &leasedTx{Tx: tx, conn: c}
	}
	return results
}

// CopyFrom copies rows into a table; see pgxpool.Pool.CopyFrom.
func (l *Lease) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	c, err := l.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer c.Release()
	return c.CopyFrom(ctx, table, columns, rows)
}
