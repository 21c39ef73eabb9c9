package server

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server/readcache"
	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

// Around the one result of a batch.
const batchHead, batchTail = `{"results":[`, `]}`

// readOnlyViolation is what PostgreSQL says of a change in a read-only
// transaction.
const readOnlyViolation = "25006"

// cached answers a read from the tenant's kept answers, or has the answer kept,
// when the client allows that and the tenant too. served reports whether an
// answer was written; without one and without an error it is not the cache's.
//
// Errors are not kept, and a statement that turns out to be a change is run
// again as one: in the read-only transaction nothing became of it.
func (s *Server) cached(c *gin.Context, visit *router.Visit, j job) (served bool, err error) {
	age := s.deps.Cache.MaxAge(visit.Tenant(), c.Request.Header)
	if age == 0 || !isRead(j) {
		return false, nil
	}
	q := j.request.Queries[0]
	key := readcache.KeyOf(visit.Tenant(), readcache.Read{
		Reader: visit.ReadOnly(), SQL: q.SQL, Params: q.Params, Form: formOf(j),
	})
	kept, err := s.deps.Cache.Do(c.Request.Context(), key, age, func(context.Context) ([]byte, error) {
		return s.readOnly(c, visit, j) //nolint:contextcheck // Do hands back the context of the request, which c has
	})
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == readOnlyViolation:
		return false, nil
	case err != nil:
		return false, err
	}
	visit.Release()
	kept.Header(c.Writer.Header())
	s.give(c, j, kept.Body)
	return true, nil
}

// readOnly runs the job's query in a read-only transaction: as a batch of one,
// of whose answer it returns the one result.
func (s *Server) readOnly(c *gin.Context, visit *router.Visit, j job) ([]byte, error) {
	j.request.Batch = true
	j.options.Batch = sqlwire.TxOptions{ReadOnly: true}
	buf := s.buffer()
	defer s.recycle(buf)
	if err := s.fill(c, visit, j, buf); err != nil {
		return nil, err
	}
	return bytes.Clone(buf.Bytes()[len(batchHead) : buf.Len()-len(batchTail)]), nil
}

// isRead reports whether the job is one query that may be a read; whether it
// is one, the read-only transaction shows.
func isRead(j job) bool {
	if j.stream || j.request.Batch {
		return false
	}
	word := strings.TrimLeft(j.request.Queries[0].SQL, " \t\r\n(")
	if end := strings.IndexFunc(word, func(r rune) bool { return r < 'A' || r > 'Z' && r < 'a' || r > 'z' }); end >= 0 {
		word = word[:end]
	}
	switch strings.ToLower(word) {
	case "select", "with", "table", "values":
		return true
	default:
		return false
	}
}

// formOf tells apart what decides how an answer is written.
func formOf(j job) string {
	array := j.options.ArrayMode
	if own := j.request.Queries[0].ArrayMode; own != nil {
		array = *own
	}
	return strconv.FormatBool(j.options.RawText) + strconv.FormatBool(array)
}
