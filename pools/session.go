package pools

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// sessionKey finds the session in a driver connection's custom data.
const sessionKey = "poolkeeper"

// reportsSearchPath is the first PostgreSQL that reports search_path to the
// client whenever it changes (release notes of version 18).
const reportsSearchPath = 18

// session is what the keeper knows of one connection beyond the driver. Only
// whoever holds the connection touches it, but for the atomics.
type session struct {
	entry *entry
	pg    *pgconn.PgConn
	sock  *socket

	wall     error  // why SQL on it could reach other tenants, or nil
	reported string // the search path as the server reported it when pinned
	free     bool   // the report is proof enough, no round trip needed

	pending    bool // a reset was sent, its answer not read to the end
	answer     resetAnswer
	sentAt     uint64        // writes on the socket when it was last lent
	dropped    bool          // DISCARD or DEALLOCATE was seen: the driver's statements are gone
	lent       uint64        // how often it was lent
	discard    bool          // the holder asked for the connection's end
	rest       time.Duration // how long it rested, when that was long
	losses     uint64        // entry.losses when it was last seen alive
	releasedAt int64         // the entry's last use then, in nanoseconds since the keeper's epoch
	cancelled  atomic.Bool   // a cancel request was sent since it was lent
	unsure     atomic.Bool   // ... and whether it arrived is not known
	holder     atomic.Pointer[Conn]
}

func sessionOf(c *pgx.Conn) *session {
	s, _ := c.PgConn().CustomData()[sessionKey].(*session)
	return s
}

// pinSession is pgxpool's AfterConnect: it makes a new connection the
// tenant's and checks it, in one round trip. Nothing unchecked gets out.
func (e *entry) pinSession(ctx context.Context, c *pgx.Conn) error {
	limited, cancel := context.WithTimeout(ctx, e.keeper.cfg.ConnectTimeout)
	defer cancel()
	s := sessionOf(c)
	if s == nil {
		return fmt.Errorf("%w: the connection has no session", ErrPin)
	}
	err := s.pinNow(limited)
	if ctx.Err() != nil { // the pool closed, which says nothing about the database
		return context.Cause(ctx)
	}
	if err != nil {
		e.keeper.backoff.failed(e.target)
		e.keeper.log.Error("new connection refused: it does not show what was pinned",
			"tenant", e.tenant.ID.String(), "cluster", e.tenant.Cluster, "error", err)
		return err
	}
	e.keeper.backoff.succeeded(e.target)
	s.sock.counted.Store(true)
	e.keeper.observed(func(o Observer) { o.ConnChanged(e.tenant.ID, e.tenant.Cluster, EventOpened, StartDial) })
	return nil
}

func (s *session) pinNow(ctx context.Context) error {
	p := s.entry.plan
	results, err := s.pg.Exec(ctx, p.pin).ReadAll()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPin, err)
	}
	if len(results) < 2 {
		return fmt.Errorf("%w: %d results", ErrPin, len(results))
	}
	row, ok := checkRow(results[len(results)-1].Rows)
	if !ok {
		return fmt.Errorf("%w: the check gave no row", ErrPin)
	}
	if kind := p.drift(row); kind != "" {
		return fmt.Errorf("%w: %s is %q", ErrPin, kind, row)
	}
	if s.wall = p.wall; s.wall == nil {
		s.wall = wallOf(results[len(results)-2].Rows)
	}
	s.reported = s.pg.ParameterStatus("search_path")
	s.free = p.trusted && s.reported != "" && serverMajor(s.pg) >= reportsSearchPath
	return nil
}

func wallOf(rows [][][]byte) error {
	if len(rows) != 1 || len(rows[0]) != 2 {
		return fmt.Errorf("%w: its login's powers could not be read", ErrNotWalled)
	}
	return wallByPowers(string(rows[0][0]), string(rows[0][1]))
}

func checkRow(rows [][][]byte) (row [checkColumns]string, ok bool) {
	if len(rows) != 1 || len(rows[0]) != checkColumns {
		return row, false
	}
	for i, value := range rows[0] {
		row[i] = string(value)
	}
	return row, true
}

func serverMajor(pg *pgconn.PgConn) int {
	text, _, _ := strings.Cut(pg.ParameterStatus("server_version"), ".")
	major, _ := strconv.Atoi(strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz "))
	return major
}

// settle makes a session ready to be lent again, as it comes back. What
// needs the server is sent here and read when the connection is lent next:
// the reset runs while the connection rests, and nobody waits for it.
func (s *session) settle() {
	switch {
	case s.pg.IsClosed():
		if !s.sock.closedByUs() {
			s.entry.losses.Add(1)
		}
		return
	case s.discard || s.dropped || s.unsure.Load():
		s.close("discarded")
		return
	case s.pg.IsBusy(): // a result was not read to its end; pgxpool destroys it
		s.sock.because("discarded")
		return
	case s.pg.TxStatus() != 'I' && !s.rollback():
		s.close("drift")
		return
	}
	s.releasedAt = s.entry.used.Load()
	if s.sock.writes.Load() == s.sentAt || s.free && !s.cancelled.Load() {
		return
	}
	s.cancelled.Store(false)
	s.pending = s.sendReset() == nil
	if !s.pending {
		s.close("lost")
	}
}

// rollback ends a transaction that the holder left open.
func (s *session) rollback() bool {
	k := s.entry.keeper
	k.observed(func(o Observer) {
		o.ConnChanged(s.entry.tenant.ID, s.entry.tenant.Cluster, EventDrift, "transaction")
	})
	// The holder's context may have ended: this belongs to the connection.
	ctx, cancel := context.WithTimeout(context.Background(), k.cfg.CancelTimeout)
	defer cancel()
	_, err := s.pg.Exec(ctx, "ROLLBACK").ReadAll()
	return err == nil && s.pg.TxStatus() == 'I'
}

// sendReset writes the reset without waiting for its answer. A few hundred
// bytes fit the socket's empty buffer; the deadline is for the case that
// they do not.
func (s *session) sendReset() error {
	conn := s.pg.Conn()
	if err := conn.SetWriteDeadline(time.Now().Add(s.entry.keeper.cfg.CancelTimeout)); err != nil {
		return err
	}
	s.answer = resetAnswer{}
	s.pg.Frontend().SendQuery(&pgproto3.Query{String: s.entry.plan.reset})
	if err := s.pg.Frontend().Flush(); err != nil {
		return err
	}
	return conn.SetWriteDeadline(time.Time{})
}

// close ends the connection; because is what the Observer is told.
func (s *session) close(because string) {
	s.sock.because(because)
	// The holder's context may have ended: this belongs to the connection.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.absorb(ctx)
	_ = s.pg.Close(ctx) // a socket that is gone already is what was wanted
}

// absorb reads an answer that nobody needs any more: closing a socket with
// unread bytes resets it, and the server logs that.
func (s *session) absorb(ctx context.Context) {
	if s.pending && !s.pg.IsClosed() {
		_ = s.readReset(ctx) // only the reading matters
	}
}

// absorbBeforeClose is pgxpool's BeforeClose. A connection in good order that
// pgxpool closes by itself, while its pool is in use, has reached its age.
func absorbBeforeClose(c *pgx.Conn) {
	s := sessionOf(c)
	if s == nil {
		return
	}
	if !s.pg.IsClosed() && s.entry.pins.Load()&retiredBit == 0 {
		s.sock.because("lifetime")
	}
	// pgxpool's destructor has no context of its own to hand over.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.absorb(ctx)
}
