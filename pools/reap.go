package pools

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// reap ends the server's side of a session that was given up while a
// statement may be running in it. A server does not notice by itself that a
// client has gone, and a statement can catch a cancel request; the end of
// its session it cannot catch. Without this, one tenant could leave backends
// behind until the server has none for the others.
//
// It takes a connection of the same login, beside the tenant's maximum and
// within the budget, for a moment. The old one's permit is held until the
// server's side is gone, which this brings about; where such sessions have used
// up the budget, this gets the first permit of those that linger in vain.
func (s *session) reap() {
	e := s.entry
	if e.cut.Load() {
		return // cutAll has cancelled it, and the pool is at its end
	}
	_ = s.sock.Close() // what still reads from it need not wait any longer
	began := e.keeper.now()
	// It belongs to the session, not to whoever gave it up.
	ctx, cancel := context.WithTimeout(context.Background(), e.keeper.lingerFor()+e.keeper.cfg.ConnectTimeout)
	defer cancel()
	permit, err := e.cluster.reserve(ctx)
	if err == nil {
		defer permit.drop()
		if s.sock.ended.Load() && e.keeper.now()-began > int64(time.Second) {
			return // the process may be another session's by now
		}
		err = e.terminate(permit, s.pg.PID())
	}
	if err != nil {
		e.keeper.log.Debug("a session's end could not be ordered",
			"tenant", e.tenant.ID.String(), "cluster", e.tenant.Cluster, "error", err)
	}
}

// terminate ends the backend with the given process id.
func (e *entry) terminate(permit *permit, pid uint32) error {
	// It has a limit of its own: the wait for the permit may have used up the
	// other.
	ctx, cancel := context.WithTimeout(context.Background(), e.keeper.cfg.ConnectTimeout)
	defer cancel()
	cfg := e.pool.Config().ConnConfig
	e.startPlain(cfg)
	o := &opening{entry: e, permit: permit}
	cfg.DialFunc = o.dial
	pg, err := pgconn.ConnectConfig(context.WithValue(ctx, openingKey{}, o), &cfg.Config)
	if err != nil {
		return err
	}
	_, err = pg.Exec(ctx, "SELECT pg_catalog.pg_terminate_backend("+strconv.FormatUint(uint64(pid), 10)+")").ReadAll()
	_ = pg.Close(ctx) // it has done what it was for
	return err
}
