package pools

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// askAgain is how long after a cancel request the next one goes out; it doubles
// with each.
const askAgain = 250 * time.Millisecond

// canceller acts when a statement's context ends: it asks the server to
// cancel, so that the connection survives, and gives it CancelTimeout before
// the socket's deadline ends the wait. It asks more than once: PostgreSQL
// ignores a request that comes before the statement does, and would then run
// the statement to its end.
//
// A cancel request may strike late. The server answers it by closing the
// request's own socket after the signal was sent, so waiting for that orders
// the signal before anything sent from here on; and a session that was
// cancelled is reset before it is lent again, where a late strike shows.
type canceller struct {
	session *session
	timeout time.Duration
	over    chan struct{} // closed when the statement has ended
	sent    chan struct{} // closed when no request is under way any more
}

func (s *session) newCanceller() ctxwatch.Handler {
	return &canceller{session: s, timeout: s.entry.keeper.cfg.CancelTimeout}
}

// HandleCancel implements ctxwatch.Handler.
func (c *canceller) HandleCancel(context.Context) {
	c.session.cancelled.Store(true)
	deadline := time.Now().Add(c.timeout)
	_ = c.session.pg.Conn().SetDeadline(deadline) // a closed socket needs none
	c.over, c.sent = make(chan struct{}), make(chan struct{})
	go c.ask(deadline) //nolint:contextcheck,gosec // the statement's context has ended; the request needs its own
}

func (c *canceller) ask(deadline time.Time) {
	defer close(c.sent)
	ctx, cancel := context.WithDeadline(context.Background(), deadline) // the statement's own has ended
	defer cancel()
	for pause := askAgain; ; pause *= 2 {
		// The driver does not say whether the server acknowledged it.
		if err := c.session.pg.CancelRequest(ctx); err != nil || ctx.Err() != nil {
			c.session.unsure.Store(true)
			return
		}
		select {
		case <-c.over:
			return
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// HandleUnwatchAfterCancel implements ctxwatch.Handler.
func (c *canceller) HandleUnwatchAfterCancel() {
	close(c.over)
	<-c.sent
	_ = c.session.pg.Conn().SetDeadline(time.Time{}) // likewise
}
