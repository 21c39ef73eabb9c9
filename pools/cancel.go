package pools

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// canceller acts when a statement's context ends: it asks the server to
// cancel, so that the connection survives, and gives it CancelTimeout before
// the socket's deadline ends the wait.
//
// A cancel request may strike late. The server answers it by closing the
// request's own socket after the signal was sent, so waiting for that orders
// the signal before anything sent from here on; and a session that was
// cancelled is reset before it is lent again, where a late strike shows.
type canceller struct {
	session *session
	timeout time.Duration
	sent    chan struct{}
}

func (s *session) newCanceller() ctxwatch.Handler {
	return &canceller{session: s, timeout: s.entry.keeper.cfg.CancelTimeout}
}

// HandleCancel implements ctxwatch.Handler.
func (c *canceller) HandleCancel(context.Context) {
	c.session.cancelled.Store(true)
	deadline := time.Now().Add(c.timeout)
	_ = c.session.pg.Conn().SetDeadline(deadline) // a closed socket needs none
	c.sent = make(chan struct{})
	go func() { //nolint:contextcheck,gosec // the statement's context has ended; the request needs its own
		defer close(c.sent)
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		defer cancel()
		// The driver does not say whether the server acknowledged it.
		if err := c.session.pg.CancelRequest(ctx); err != nil || ctx.Err() != nil {
			c.session.unsure.Store(true)
		}
	}()
}

// HandleUnwatchAfterCancel implements ctxwatch.Handler.
func (c *canceller) HandleUnwatchAfterCancel() {
	<-c.sent
	_ = c.session.pg.Conn().SetDeadline(time.Time{}) // likewise
}
