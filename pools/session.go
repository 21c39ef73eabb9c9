package pools

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

// sessionKey finds the session in a driver connection's custom data.
const sessionKey = "poolkeeper"

// reportsSearchPath is the first PostgreSQL that reports search_path to the
// client whenever it changes (release notes of version 18).
const reportsSearchPath = 18

// session is what the keeper knows of one connection beyond the driver. Only
// whoever holds the connection touches it, but for the atomics.
type session struct {
	entry  *entry
	pg     *pgconn.PgConn
	sock   *socket
	conn   *pgx.Conn     // the driver's
	pooled *pgxpool.Conn // how its pool knows it
	slot   *budget.Slot  // its part of the budget
	how    string        // how it came to the tenant: StartDial, StartHandoff, StartSpare
	// lifetime is the age at which the server's side is closed.
	lifetime time.Duration
	gate     *gate // of a spare that can become a tenant's login

	wall     error  // why SQL on it could reach other tenants, or nil
	provedAt int64  // when that was found, in nanoseconds since the keeper's epoch
	reported string // the search path as the server reported it when pinned
	free     bool   // the report is proof enough, no round trip needed

	reset      string // what is sent at release
	pending    bool   // a reset was sent, its answer not read to the end
	unanswered bool   // ... and it never came
	answer     answer
	resetAt    int64         // when it was sent, in nanoseconds since the keeper's epoch
	sentAt     uint64        // writes on the socket when it was last lent
	dropped    bool          // DISCARD or DEALLOCATE was seen: the driver's statements are gone
	lent       uint64        // how often it was lent
	discard    bool          // the holder asked for the connection's end
	rest       time.Duration // how long it rested, when that was long
	losses     uint64        // entry.losses when it was last seen alive
	cancelled  atomic.Bool   // a cancel request was sent since it was lent
	unsure     atomic.Bool   // ... and whether it arrived is not known
	holder     atomic.Pointer[Conn]
	left       atomic.Bool // it was taken out of its pool, or is about to be
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
	if err == nil && e.spare() && e.own() {
		err = s.equip(limited)
	}
	if ctx.Err() != nil { // the pool closed, which says nothing about the database
		return endOf(ctx)
	}
	if s.how != StartDial {
		forgetNotifications(ctx, c)
	}
	if err == nil {
		err = e.introduce(ctx, s, c)
	}
	if err != nil && ctx.Err() != nil { // likewise
		return endOf(ctx)
	}
	if err != nil {
		e.pinFailed(ctx, s, err)
		return err
	}
	e.keeper.breaker.succeeded(e.target)
	e.keeper.breaker.succeeded(e.pinTarget())
	s.sock.counted.Store(true)
	e.keeper.observed(func(o Observer) { o.ConnChanged(e.tenant.ID, e.tenant.Cluster, EventOpened, s.how) })
	return nil
}

// forgetNotifications drops what came for the earlier tenant: its LISTEN was
// undone only after the driver's connection had become ours, and the driver
// keeps what it reads.
func forgetNotifications(ctx context.Context, c *pgx.Conn) {
	ended, cancel := context.WithCancel(ctx)
	cancel() // what is kept is returned all the same, and nothing waited for
	for {
		if _, err := c.WaitForNotification(ended); err != nil {
			return
		}
	}
}

// pinFailed notes a pin that was refused. One on another tenant's connection
// says nothing: what is in doubt is dialled.
func (e *entry) pinFailed(ctx context.Context, s *session, err error) {
	if s.how != StartDial {
		return
	}
	e.keeper.breaker.failed(e.pinTarget())
	level, what := slog.LevelError, "new connection refused by Config.AfterConnect"
	switch {
	case errors.Is(err, ErrPin):
		what = "new connection refused: it does not show what was pinned"
	case ConnLost(err):
		level, what = slog.LevelWarn, "new connection lost before it was the tenant's"
	}
	e.keeper.log.Log(ctx, level, what, "tenant", e.tenant.ID.String(), "cluster", e.tenant.Cluster, "error", err)
}

// notPinned is the error of a pin without its answer. A server that went away,
// or is silent, has shown nothing wrong.
func notPinned(err error) error {
	if ConnLost(err) {
		return fmt.Errorf("pools: pinning the session: %w", err)
	}
	return fmt.Errorf("%w: %w", ErrPin, err)
}

// pinNow sends the canary, the pin and the check together and reads their
// answers.
func (s *session) pinNow(ctx context.Context) error {
	s.sendPin()
	if err := s.pg.Frontend().Flush(); err != nil {
		return notPinned(err)
	}
	ended := s.readBefore(ctx, time.Now().Add(s.entry.keeper.cfg.ConnectTimeout))
	err := s.receive() //nolint:contextcheck // readBefore bounds it by ctx
	ended()
	if err = errors.Join(err, s.answer.err); err != nil {
		return notPinned(err)
	}
	p := s.entry.plan
	if kind := s.answer.drift(p); kind != "" {
		return fmt.Errorf("%w: %s is %q", ErrPin, kind, s.answer.row)
	}
	if err := s.recognise(); err != nil {
		return fmt.Errorf("%w: %w", ErrPin, err)
	}
	s.reported = s.pg.ParameterStatus("search_path")
	// With a tail, names fall through when the tenant's schema goes: the
	// setting alone is no proof then.
	s.free = p.trusted && len(p.path) < 2 && s.reported != "" && serverMajor(s.pg) >= reportsSearchPath
	return s.pg.Conn().SetReadDeadline(time.Time{})
}

// sendPin writes what makes a connection the tenant's: a new one, another
// tenant's, or a spare. An answer that refuses anything ends the reading, so
// what follows a refusal need not be in step.
func (s *session) sendPin() {
	p, fe := s.entry.plan, s.pg.Frontend()
	s.answer = answer{strict: true}
	switch {
	case s.how == StartDial:
		s.sendCanary()
		s.ask(p.pin())
		s.ask(p.check)
	case s.how == StartSpare && p.ownLogin:
		s.sendClaim()
		s.ask(p.check)
	default:
		// All that the earlier tenant left in the session: what this stands
		// for is in PostgreSQL's documentation of DISCARD ALL.
		s.ask("DISCARD ALL")
		fe.SendParse(&pgproto3.Parse{Name: canary, Query: canarySQL})
		s.ask(p.takeOver()) // in one answer with the canary's
	}
}

// canarySQL is what the canary would do.
const canarySQL = "SELECT 1"

func (s *session) sendCanary() {
	fe := s.pg.Frontend()
	fe.SendParse(&pgproto3.Parse{Name: canary, Query: canarySQL})
	fe.SendSync(&pgproto3.Sync{})
	s.answer.left++
}

// ask writes a query whose answer is to be read.
func (s *session) ask(sql string) {
	s.pg.Frontend().SendQuery(&pgproto3.Query{String: sql})
	s.answer.left++
}

func serverMajor(pg *pgconn.PgConn) int {
	text, _, _ := strings.Cut(pg.ParameterStatus("server_version"), ".")
	major, _ := strconv.Atoi(strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz "))
	return major
}

// settle makes a session ready to be lent again, as it comes back. What
// needs the server is sent here and read when the connection is lent next:
// the reset runs while the connection rests, and nobody waits for it. It
// reports false when the server may still be running something for it: see
// reap.
func (s *session) settle() (settled bool) {
	switch {
	case s.pg.IsClosed():
		if !s.sock.closedByUs() {
			s.entry.losses.Add(1)
		}
		return !s.cancelled.Load()
	case s.pg.IsBusy(): // a result was not read to its end
		s.close("discarded")
		return false
	case s.discard || s.dropped || s.unsure.Load():
		s.close("discarded")
		return true
	case s.pg.TxStatus() != 'I' && !s.rollback():
		s.close("drift")
		return false
	}
	if !s.cancelled.Load() && (s.free || s.sock.writes.Load() == s.sentAt) {
		return true
	}
	s.cancelled.Store(false)
	if s.pending = s.sendReset() == nil; !s.pending {
		s.close("lost")
	}
	return true
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
	s.answer, s.resetAt = answer{}, s.entry.keeper.now()
	if s.reset == "" {
		s.reset = s.entry.plan.reset()
	}
	s.ask(s.reset)
	if s.entry.plan.wall == nil && s.resetAt-s.provedAt > int64(wallFor) {
		s.ask(powers + fromRoles)
	}
	if err := s.pg.Frontend().Flush(); err != nil {
		return err
	}
	return conn.SetWriteDeadline(time.Time{})
}

// close ends the connection; because is what the Observer is told. An answer
// that is under way is read by the socket, off the caller's path.
func (s *session) close(because string) {
	s.sock.because(because)
	// The holder's context may have ended: this belongs to the connection.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.pg.Close(ctx) // a socket that is gone already is what was wanted
}
