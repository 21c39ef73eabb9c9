package pools

import (
	"context"
	"errors"
	"fmt"
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

// readReset reads the answer to the reset and compares it with the plan.
func (s *session) readReset(ctx context.Context) error {
	s.pending = false
	stop := s.readBefore(ctx)
	row, err := s.receiveReset() //nolint:contextcheck // readBefore bounds it by ctx
	if !stop() && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	if err := s.pg.Conn().SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if kind := s.entry.plan.drift(row); kind != "" {
		return &driftError{kind: kind}
	}
	return nil
}

// readBefore bounds reading by ctx and by CancelTimeout.
func (s *session) readBefore(ctx context.Context) (stop func() bool) {
	conn := s.pg.Conn()
	_ = conn.SetReadDeadline(time.Now().Add(s.entry.keeper.cfg.CancelTimeout)) // a closed socket fails the read
	if ctx.Done() == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
}

// receiveReset reads to the end of the reset's answer. The row returned is
// that of the check; any error in between makes it void.
func (s *session) receiveReset() (row [checkColumns]string, err error) {
	for {
		// The read deadline is the limit; a context here would cost a
		// registration for each message.
		msg, rerr := s.pg.ReceiveMessage(context.Background())
		if rerr != nil {
			return row, fmt.Errorf("pools: reading the reset's answer: %w", rerr)
		}
		switch msg := msg.(type) {
		case *pgproto3.ErrorResponse:
			err = errors.Join(err, resetRefused(msg))
		case *pgproto3.DataRow:
			if len(msg.Values) == checkColumns {
				for i, value := range msg.Values {
					row[i] = string(value)
				}
			}
		case *pgproto3.ReadyForQuery:
			return row, err
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
