package server

import (
	"context"
	"errors"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

// sql answers POST /sql and POST /t/{tenant}/sql.
func (s *Server) sql(c *gin.Context) {
	t, began := trailOf(c), time.Now()
	visit, err := s.deps.Router.Route(c.Request)
	t.resolve = time.Since(began)
	if err != nil {
		if limited, ok := errors.AsType[*router.LimitError](err); ok {
			t.tenant, t.key = limited.Tenant, limited.KeyID
		}
		s.refuse(c, err)
		return
	}
	defer visit.Close()
	t.tenant, t.key = visit.Tenant().ID, visit.KeyID()
	visit.Header(c.Writer.Header())
	cancel, err := s.setDeadline(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	defer cancel()
	if err := s.serve(c, visit); err != nil {
		s.refuse(c, err)
	}
}

// serve does what a known tenant asks for. An error means that nothing was
// written yet.
func (s *Server) serve(c *gin.Context, visit *router.Visit) error {
	if err := wallOf(visit.Tenant()); err != nil {
		return err
	}
	if visit.ReadOnly() && visit.Tenant().ReadLogin == "" {
		return registry.ErrNoReader
	}
	j, err := s.read(c, visit.Tenant().Limits)
	if err != nil {
		return err
	}
	defer limitStatements(c, visit.Tenant().Limits, len(j.request.Queries))()
	if j.stream {
		return s.stream(c, visit, j)
	}
	return s.answer(c, visit, j)
}

// A statementFunc runs statements on a connection.
type statementFunc func(ctx context.Context, pg *pgconn.PgConn) (sqlwire.Outcome, error)

// borrow runs fn on a connection of the tenant, and gives it back. It goes
// back to its pool only when fn came to an end that left it in order; after a
// panic it does not.
func (s *Server) borrow(c *gin.Context, visit *router.Visit, fn statementFunc) (sqlwire.Outcome, error) {
	ctx, t, began := c.Request.Context(), trailOf(c), time.Now()
	conn, err := s.acquire(ctx, visit)
	t.pool = time.Since(began)
	if err != nil {
		return sqlwire.Outcome{}, err
	}
	inOrder := false
	defer func() {
		if !inOrder {
			conn.Discard()
		}
		conn.Release()
	}()
	if err := conn.Walled(); err != nil {
		inOrder = true
		return sqlwire.Outcome{}, err
	}
	began = time.Now()
	out, err := fn(ctx, conn.Conn().PgConn())
	t.db, t.rows, inOrder = time.Since(began), out.Rows, !out.Discard
	if err != nil {
		err = &statementError{err: err}
	}
	return out, err
}
