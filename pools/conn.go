package pools

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Conn is one connection of the tenant, lent by [Lease.Acquire] until
// Release. Like pgx's own it is for one goroutine at a time.
type Conn struct {
	conn    *pgx.Conn
	session *session
	held    atomic.Bool // whoever swaps it has the connection
	beside  *Lease      // that counts it; nil for a lease's first
}

// hold makes c the holder of a connection. The order matters: whoever cuts
// the entry either sees the holder, or is seen here.
func (c *Conn) hold(s *session) {
	c.conn, c.session = s.conn, s
	s.discard = false
	c.held.Store(true)
	s.holder.Store(c)
	if s.entry.cut.Load() {
		s.sock.abort()
	}
}

// Release gives the connection back; calling it again does nothing. What the
// holder left behind in the session is undone before anybody gets it again.
func (c *Conn) Release() {
	if !c.held.CompareAndSwap(true, false) {
		return
	}
	s := c.session
	c.uncount()
	s.holder.Store(nil)
	if !s.settle() { // the server's side goes on until it is told to end
		s.entry.keeper.workers.Go(s.reap)
	}
	s.goBack()
}

// goBack gives the session to its pool, or takes it out when it is closed.
func (s *session) goBack() {
	if s.pg.IsClosed() {
		s.entry.keeper.workers.Go(func() { s.end("") }) // the driver may wait for its own clean-up
		return
	}
	s.entry.giveBack(s)
}

// seize takes the connection out of its pool under its holder, whose socket
// is closed already.
func (c *Conn) seize() {
	if c.held.CompareAndSwap(true, false) {
		c.uncount()
		if c.session.leavesPool() {
			c.session.pooled.Hijack()
		}
	}
}

// released is the error of a use after Release, or after the pool was cut.
func (c *Conn) released() error {
	switch e := c.session.entry; {
	case e.cut.Load():
		return fmt.Errorf("tenant %s: connection: %w", e.tenant.ID, ErrDrained)
	case c.held.Load():
		return nil
	default:
		return fmt.Errorf("tenant %s: connection: %w", e.tenant.ID, ErrReleased)
	}
}

// Discard has the connection closed at Release instead of lent again: for a
// holder who cannot tell what state it left it in. After Release it does
// nothing.
func (c *Conn) Discard() {
	if c.held.Load() { // else it may be another's by now
		c.session.discard = true
	}
}

// Conn returns the driver's connection, for what this type does not offer.
// It must not be used after Release, nor closed or hijacked; Discard instead.
// To listen for notifications, hold a connection of a keeper whose SQL is
// Trusted, or have one of the program's own through [Keeper.Dialer]. Types are
// registered in Config.AfterConnect.
func (c *Conn) Conn() *pgx.Conn { return c.conn }

// Exec runs sql; see pgx.Conn.Exec.
func (c *Conn) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := c.released(); err != nil {
		return pgconn.CommandTag{}, err
	}
	return c.conn.Exec(ctx, sql, args...)
}

// Query runs sql; see pgx.Conn.Query.
func (c *Conn) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := c.released(); err != nil {
		return failedRows{err}, err
	}
	return c.conn.Query(ctx, sql, args...)
}

// QueryRow runs sql; see pgx.Conn.QueryRow.
func (c *Conn) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := c.released(); err != nil {
		return failedRow{err}
	}
	return c.conn.QueryRow(ctx, sql, args...)
}

// Begin starts a transaction.
func (c *Conn) Begin(ctx context.Context) (pgx.Tx, error) { return c.BeginTx(ctx, pgx.TxOptions{}) }

// BeginTx is Begin with options.
func (c *Conn) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	if err := c.released(); err != nil {
		return nil, err
	}
	return c.conn.BeginTx(ctx, options)
}

// SendBatch sends b; see pgx.Conn.SendBatch.
func (c *Conn) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := c.released(); err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	return c.conn.SendBatch(ctx, b)
}

// CopyFrom copies rows into a table; see pgx.Conn.CopyFrom.
func (c *Conn) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	if err := c.released(); err != nil {
		return 0, err
	}
	return c.conn.CopyFrom(ctx, table, columns, rows)
}

// Ping asks the server for a sign of life.
func (c *Conn) Ping(ctx context.Context) error {
	if err := c.released(); err != nil {
		return err
	}
	return c.conn.Ping(ctx)
}

// refuse destroys a session that was not ready to be lent.
func (s *session) refuse(err error) {
	why := "lost"
	if drift, ok := errors.AsType[*driftError](err); ok {
		why = "drift"
		t := s.entry.tenant
		s.entry.keeper.observed(func(o Observer) { o.ConnChanged(t.ID, t.Cluster, EventDrift, drift.kind) })
		level := slog.LevelWarn
		if drift.kind == "statements" { // any client can do this, as often as it likes
			level = slog.LevelDebug
		}
		// The tenant's request may be over; the log line is the connection's.
		s.entry.keeper.log.Log(context.Background(), level, "session came back changed and was destroyed",
			"tenant", t.ID.String(), "cluster", t.Cluster, "kind", drift.kind, "error", err)
	}
	s.close(why)
}

// startsPlain reports whether err is a server's refusal of start-up
// parameters, after which another try makes sense.
func (e *entry) startsPlain(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	_, plain := e.keeper.plainStart.Load(e.target)
	return ok && plain && refusesParameters(pg)
}
