package pools

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// peekAfter is how long a connection may rest before it is asked whether it
// still lives: pgxpool's own threshold for its ping.
const peekAfter = time.Second

// readGrace is what reading takes at most when the answer is there.
const readGrace = 250 * time.Millisecond

// driftError says what a session came back with that the plan does not have.
type driftError struct{ kind string }

func (e *driftError) Error() string { return "pools: session drifted: " + e.kind }

// ready checks, as the connection is lent, that it is the tenant's: the
// answer to the reset sent at its release, or the path that the server
// reported. On an error the connection must be destroyed.
func (s *session) ready(ctx context.Context) error {
	if s.pending {
		if err := s.readReset(ctx); err != nil {
			return err
		}
	} else if s.free && s.pg.ParameterStatus("search_path") != s.reported {
		return &driftError{kind: "search_path"}
	}
	if s.pg.TxStatus() != 'I' {
		return &driftError{kind: "transaction"}
	}
	if err := s.alive(ctx); err != nil {
		return err
	}
	s.sentAt = s.sock.writes.Load()
	return nil
}

// alive asks the socket, which costs no round trip, when the connection
// rested for a while or another of the tenant's broke; after a long rest, or
// when something unexpected is there to read, it asks the server.
func (s *session) alive(ctx context.Context) error {
	losses := s.entry.losses.Load()
	if s.rest == 0 && s.losses == losses {
		return nil
	}
	rest := s.rest
	s.rest, s.losses = 0, losses
	quiet, err := s.sock.peek()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.entry.keeper.cfg.ConnectTimeout)
	defer cancel()
	if len(s.entry.plan.path) > 1 { // the tenant's schema may have gone meanwhile, and names would fall through
		return s.checkNow(ctx)
	}
	if quiet && rest < s.entry.keeper.cfg.PingAfter {
		return nil
	}
	return s.pg.Ping(ctx)
}

// checkNow asks the server what the session is.
func (s *session) checkNow(ctx context.Context) error {
	results, err := s.pg.Exec(ctx, s.entry.plan.check).ReadAll()
	if err != nil {
		return err
	}
	var got answer
	for _, row := range results[0].Rows {
		got.take(row)
	}
	if kind := got.drift(s.entry.plan); kind != "" {
		return &driftError{kind: kind}
	}
	return nil
}

// errStillResetting is returned when the caller's context ended before the
// reset's answer was there. Nothing is wrong with the session: whoever is
// lent it next reads on.
var errStillResetting = errors.New("pools: the session is still being reset")

// answer is what was read so far of the answers to a pin or a reset, and to
// the check that follows.
type answer struct {
	row    [checkColumns]string
	rows   int // of the check: one, or its question about statements has another answer
	powers [powerColumns]string
	claim  [claimColumns]string // what is asked besides when a spare becomes a tenant's
	err    error                // what the server refused: it makes the rest void
	left   int                  // answers that have not ended yet
	strict bool                 // nothing is read after a refusal: the connection is over
}

// drift compares the check's answer with the plan.
func (a *answer) drift(p *plan) string {
	if a.rows != 1 {
		return "statements"
	}
	return p.drift(a.row)
}

// readReset reads the answer to the reset and compares it with the plan. The
// server has CancelTimeout from when it was sent, whoever waits for it.
func (s *session) readReset(ctx context.Context) error {
	k := s.entry.keeper
	left := k.cfg.CancelTimeout - time.Duration(k.now()-s.resetAt)
	ended := s.readBefore(ctx, time.Now().Add(max(left, readGrace)))
	err := s.receive() //nolint:contextcheck // readBefore bounds it by ctx
	if ended() && err != nil && isTimeout(err) && left > 0 {
		return errors.Join(errStillResetting, s.pg.Conn().SetReadDeadline(time.Time{}))
	}
	s.pending, s.unanswered = false, err != nil && isTimeout(err)
	if err = errors.Join(err, s.answer.err); err != nil {
		return err
	}
	if kind := s.answer.drift(s.entry.plan); kind != "" {
		return &driftError{kind: kind}
	}
	if s.answer.powers[colAttributes] != "" {
		s.recogniseWall()
	}
	return s.pg.Conn().SetReadDeadline(time.Time{})
}

func isTimeout(err error) bool {
	network, ok := errors.AsType[net.Error](err)
	return ok && network.Timeout()
}

// readBefore bounds reading by ctx and by limit. Call ended when the reading
// is over: it reports whether ctx ended first, and sees to it that the
// deadline set for that does not strike later.
func (s *session) readBefore(ctx context.Context, limit time.Time) (ended func() bool) {
	conn := s.pg.Conn()
	_ = conn.SetReadDeadline(limit) // a closed socket fails the read
	if ctx.Done() == nil {
		return func() bool { return false }
	}
	struck := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(struck)
		_ = conn.SetReadDeadline(time.Unix(1, 0)) // likewise
	})
	return func() bool {
		if stop() {
			return false
		}
		<-struck
		return true
	}
}

// receive reads on until no answer is left. Its error is that of reading;
// what the server said is in s.answer.
func (s *session) receive() error {
	for s.answer.left > 0 {
		// The read deadline is the limit; a context here would cost a
		// registration for each message.
		msg, err := s.pg.ReceiveMessage(context.Background())
		if err != nil {
			return fmt.Errorf("pools: reading the session's answer: %w", err)
		}
		switch msg := msg.(type) {
		case *pgproto3.ErrorResponse:
			s.answer.err = errors.Join(s.answer.err, refusedBy(msg))
			if s.answer.strict {
				return nil
			}
		case *pgproto3.DataRow:
			s.answer.take(msg.Values)
		case *pgproto3.ReadyForQuery:
			s.answer.left--
		}
	}
	return nil
}

// take keeps the rows that matter, told apart by their width.
func (a *answer) take(values [][]byte) {
	var row []string
	switch len(values) {
	case checkColumns:
		row = a.row[:]
		a.rows++
	case powerColumns:
		row = a.powers[:]
	case powerColumns + claimColumns:
		copyRow(a.claim[:], values[powerColumns:])
		row, values = a.powers[:], values[:powerColumns]
	}
	copyRow(row, values)
}

func copyRow(row []string, values [][]byte) {
	for i := range row {
		row[i] = string(values[i])
	}
}

// refusedBy is the error of a pin or a reset that the server refused.
func refusedBy(msg *pgproto3.ErrorResponse) error {
	return fmt.Errorf("%w: %w", &driftError{kind: "reset"}, pgconn.ErrorResponseToPgError(msg))
}
