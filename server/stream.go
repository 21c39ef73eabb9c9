package server

import (
	"context"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

// stream runs the job's query and writes its rows as they come, with the
// memory of a few rows, each of at most what an answer may be. It holds the connection until the last one is written.
// An error is returned only when nothing was written; later ones are in the
// stream's last line.
func (s *Server) stream(c *gin.Context, visit *router.Visit, j job) error {
	w := &rowStream{s: s, c: c}
	row := narrower(visit.Tenant().Limits.MaxResult, s.cfg.SQL.MaxResult)
	out, err := s.borrow(c, visit, func(ctx context.Context, pg *pgconn.PgConn) (sqlwire.Outcome, error) {
		return sqlwire.Stream(ctx, pg, j.request.Queries[0], j.options, row, w, w.flush)
	})
	if err != nil && !out.Started {
		return err
	}
	trailOf(c).err = err
	return nil
}

// rowStream writes the head of the answer with its first line.
type rowStream struct {
	s *Server
	c *gin.Context
}

func (w *rowStream) Write(p []byte) (int, error) {
	if !w.c.Writer.Written() {
		w.s.head(w.c, mediaNDJSON)
		// A proxy that collects answers would undo the stream.
		w.c.Writer.Header().Set("X-Accel-Buffering", "no")
	}
	return w.c.Writer.Write(p)
}

// flush has no error of its own: a client that is gone fails the next write,
// and ends the context.
func (w *rowStream) flush() error {
	w.c.Writer.Flush()
	return nil
}
