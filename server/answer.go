package server

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

// maxKeptBuffer is the greatest buffer that is kept for the next answer.
const maxKeptBuffer = 1 << 20

// answer runs the job and writes its whole answer. The connection and the
// lease are given back before the client gets the first byte: a slow reader
// holds nothing of the tenant's but its place among the requests under way,
// because it holds the answer.
func (s *Server) answer(c *gin.Context, visit *router.Visit, j job) error {
	if served, err := s.cached(c, visit, j); served || err != nil {
		return err
	}
	buf := s.buffer()
	defer s.recycle(buf)
	err := s.fill(c, visit, j, buf)
	visit.Release()
	if err != nil {
		return err
	}
	s.give(c, j, buf.Bytes())
	return nil
}

// fill asks the database for the answer.
func (s *Server) fill(c *gin.Context, visit *router.Visit, j job, into *bytes.Buffer) error {
	limit := narrower(visit.Tenant().Limits.MaxResult, s.cfg.SQL.MaxResult)
	_, err := s.borrow(c, visit, func(ctx context.Context, pg *pgconn.PgConn) (sqlwire.Outcome, error) {
		return sqlwire.Execute(ctx, pg, j.request, j.options, limit, into)
	})
	return err
}

// give writes a good answer.
func (s *Server) give(c *gin.Context, j job, body []byte) {
	h := c.Writer.Header()
	if j.request.Batch {
		j.options.Echo(h)
	}
	s.head(c, "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.Writer.WriteHeader(http.StatusOK)
	if _, err := c.Writer.Write(body); err != nil {
		trailOf(c).err = err // the client is gone; there is nobody to tell
	}
}

func (s *Server) buffer() *bytes.Buffer {
	buf, ok := s.buffers.Get().(*bytes.Buffer)
	if !ok {
		return new(bytes.Buffer)
	}
	return buf
}

func (s *Server) recycle(buf *bytes.Buffer) {
	if buf.Cap() > maxKeptBuffer {
		return
	}
	buf.Reset()
	s.buffers.Put(buf)
}

// head sets what every good answer of the data API carries.
func (s *Server) head(c *gin.Context, contentType string) {
	h := c.Writer.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	if s.cfg.ServerTiming {
		h.Set("Server-Timing", trailOf(c).timing())
	}
}

// timing is the Server-Timing header: milliseconds to find the tenant, to get
// a connection, and for the database. A stream's head is written before the
// database is done, so it has no db.
func (t *trail) timing() string {
	b := make([]byte, 0, 64)
	b = appendTiming(b, "resolve", t.resolve)
	b = appendTiming(append(b, ", "...), "pool", t.pool)
	if t.db > 0 {
		b = appendTiming(append(b, ", "...), "db", t.db)
	}
	return string(b)
}

func appendTiming(b []byte, name string, d time.Duration) []byte {
	b = append(append(b, name...), ";dur="...)
	return strconv.AppendFloat(b, float64(d)/float64(time.Millisecond), 'f', 3, 64)
}
