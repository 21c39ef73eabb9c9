package pools

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
)

var errUnsettled = errors.New("the connection was left in the middle of something, or closed")

// introduce shows the program a connection that has just become the tenant's.
// Then the session is made again what it was, as after any use: what the
// program did to it is nothing that a caller should find.
func (e *entry) introduce(ctx context.Context, s *session, c *pgx.Conn) error {
	show := e.keeper.cfg.AfterConnect
	if show == nil || e.spare() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, e.keeper.cfg.ConnectTimeout)
	defer cancel()
	s.sentAt = s.sock.writes.Load()
	err := show(ctx, e.record.Load(), c)
	if err == nil && (!s.settle() || s.pg.IsClosed()) {
		err = errUnsettled
	}
	if err == nil && s.pending {
		err = s.readReset(ctx)
	}
	if err != nil {
		return fmt.Errorf("pools: Config.AfterConnect: %w", err)
	}
	return nil
}

// tracer returns what the driver tells of the entry's connections: the
// keeper's, and the program's beside it. To pgxpool neither has anything to
// say: who takes a connection there is the keeper.
func (e *entry) tracer() pgx.QueryTracer {
	own := &tracer{entry: e}
	if e.keeper.cfg.Tracer == nil {
		return own
	}
	both := multitracer.New(own, e.keeper.cfg.Tracer)
	both.PoolAcquireTracers, both.PoolReleaseTracers = nil, nil
	return both
}
