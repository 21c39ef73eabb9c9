package handoff

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// The states of a Conn.
const (
	waiting int32 = iota // for a connect to take it
	used                 // by a connect
	closed               // by its owner, before a connect took it
)

// Conn is an authenticated connection between two owners. It belongs to
// whoever took it out until a connect takes it on. Its methods may be called
// from several goroutines.
type Conn struct {
	conn   net.Conn // never a replayed one
	origin *origin
	answer []byte // what the server says to a start-up message
	state  atomic.Int32
}

// Take takes the connection out of c, which must be idle, outside a
// transaction, and in nobody else's hands: a pool's connection is hijacked
// from its pool first. c is unusable afterwards, whatever the result; on an
// error its socket is closed.
//
// It asks the server only when c may hold bytes that nobody has looked at. One
// case cannot be seen from here: a read with a deadline (WaitForNotification,
// ReceiveMessage) that ended between the halves of a message. Whoever does
// that runs a statement before.
func Take(ctx context.Context, c *pgx.Conn) (*Conn, error) {
	hijacked, err := hijack(ctx, c.PgConn())
	if err != nil {
		_ = c.Close(ctx) // what went wrong is told already
		return nil, fmt.Errorf("handoff: taking a connection: %w", err)
	}
	h := &Conn{conn: Below(hijacked.Conn), origin: originOf(hijacked)}
	if h.answer, err = answerOf(hijacked); err != nil {
		_ = h.Close() // likewise
		return nil, fmt.Errorf("handoff: taking a connection: %w", err)
	}
	return h, nil
}

func hijack(ctx context.Context, pg *pgconn.PgConn) (*pgconn.HijackedConn, error) {
	if tx := pg.TxStatus(); tx != 'I' {
		return nil, fmt.Errorf("it is in a transaction (status %q)", tx)
	}
	if err := pg.SyncConn(ctx); err != nil {
		_ = pg.Close(ctx)
		_ = pg.Conn().Close() // the driver may have begun to close it in the background, and takes its time
		return nil, err
	}
	return pg.Hijack()
}

// answerOf returns what the server would answer to a start-up message if it
// let everybody in, and began with the session as it is.
func answerOf(c *pgconn.HijackedConn) (answer []byte, err error) {
	answer = make([]byte, 0, 1024)
	say := func(m pgproto3.BackendMessage) {
		if err == nil {
			answer, err = m.Encode(answer)
		}
	}
	say(&pgproto3.AuthenticationOk{})
	var status pgproto3.ParameterStatus
	for status.Name, status.Value = range c.ParameterStatuses {
		say(&status)
	}
	if len(c.SecretKey) > 0 { // a server need not tell one
		say(&pgproto3.BackendKeyData{ProcessID: c.PID, SecretKey: c.SecretKey})
	}
	say(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	return answer, err
}

// Used reports whether a connect has taken the connection. Closing it is the
// new owner's business from then on.
func (h *Conn) Used() bool { return h.state.Load() == used }

// Close ends a connection that nobody took; later connects by it fail. One
// that was taken, or is closed, is left alone.
func (h *Conn) Close() error {
	if !h.state.CompareAndSwap(waiting, closed) {
		return nil
	}
	// A server that is not told counts the session as abandoned. A socket
	// that does not take five bytes is as good as closed.
	_ = h.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = h.conn.Write([]byte{'X', 0, 0, 0, 4})
	return h.conn.Close()
}

// Below returns the connection below a replayed start-up: what the first
// owner had, TLS included. Any other connection is returned as it is.
func Below(c net.Conn) net.Conn {
	if r, ok := c.(*replay); ok {
		return r.Conn
	}
	return c
}
