package pools

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// peekAfter is how long a connection may rest before it is asked whether it
// still lives: pgxpool's own threshold for its ping.
const peekAfter = time.Second

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
	if quiet && rest < s.entry.keeper.cfg.PingAfter {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.entry.keeper.cfg.ConnectTimeout)
	defer cancel()
	return s.pg.Ping(ctx)
}

// errStillResetting is returned when the caller's context ended before the
// reset's answer was there. Nothing is wrong with the session: whoever is
// lent it next reads on.
var errStillResetting = errors.New("pools: the session is still being reset")

// resetAnswer is what was read of a reset's answer so far.
type resetAnswer struct {
	row [checkColumns]string
	err error // the first thing that went wrong makes the row void
}

// readReset reads the answer to the reset and compares it with the plan.
func (s *session) readReset(ctx context.Context) error {
	ended := s.readBefore(ctx)
	err := s.receiveReset() //nolint:contextcheck // readBefore bounds it by ctx
	if ended() && err != nil && isTimeout(err) {
		return errors.Join(errStillResetting, s.pg.Conn().SetReadDeadline(time.Time{}))
	}
	s.pending = false
	if err != nil {
		return err
	}
	if err := s.pg.Conn().SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if s.answer.err != nil {
		return s.answer.err
	}
	if kind := s.entry.plan.drift(s.answer.row); kind != "" {
		return &driftError{kind: kind}
	}
	return nil
}

func isTimeout(err error) bool {
	network, ok := errors.AsType[net.Error](err)
	return ok && network.Timeout()
}

// readBefore bounds reading by ctx and by CancelTimeout. Call ended when the
// reading is over: it reports whether ctx ended first, and sees to it that
// the deadline set for that does not strike later.
func (s *session) readBefore(ctx context.Context) (ended func() bool) {
	conn := s.pg.Conn()
	_ = conn.SetReadDeadline(time.Now().Add(s.entry.keeper.cfg.CancelTimeout)) // a closed socket fails the read
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

// receiveReset reads on to the end of the reset's answer. Its error is that
// of reading; what the server said is in s.answer.
func (s *session) receiveReset() error {
	for {
		// The read deadline is the limit; a context here would cost a
		// registration for each message.
		msg, err := s.pg.ReceiveMessage(context.Background())
		if err != nil {
			return fmt.Errorf("pools: reading the reset's answer: %w", err)
		}
		switch msg := msg.(type) {
		case *pgproto3.ErrorResponse:
			s.answer.err = errors.Join(s.answer.err, resetRefused(msg))
		case *pgproto3.DataRow:
			if len(msg.Values) == checkColumns {
				for i, value := range msg.Values {
					s.answer.row[i] = string(value)
				}
			}
		case *pgproto3.ReadyForQuery:
			return nil
		}
	}
}

// resetRefused tells a canary that is gone (26000) from other failures.
func resetRefused(msg *pgproto3.ErrorResponse) error {
	if msg.Code == "26000" {
		return &driftError{kind: "statements"}
	}
	return fmt.Errorf("%w: %s (SQLSTATE %s)", &driftError{kind: "reset"}, msg.Message, msg.Code)
}
