package server

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
)

// flushError marks an error of Deps.Flush: answers that were kept may still be
// served somewhere.
type flushError struct{ err error }

func (e *flushError) Error() string { return "server: flushing the cache: " + e.err.Error() }
func (e *flushError) Unwrap() error { return e.err }

// flushProblem says that nothing is certain until it is asked again.
func flushProblem() router.Problem {
	return router.Problem{
		Status: http.StatusServiceUnavailable, Code: "cache_unavailable", Title: "The cache could not be flushed everywhere",
		Detail: "Answers that were kept may still be served until they are too old. Ask again.", RetryAfter: time.Second,
	}
}

// flushTenant answers POST /v1/tenants/{id}/flush: no answer that was kept for
// the tenant is served again, here and by the servers that share the cache.
func (s *Server) flushTenant(c *gin.Context) {
	id, ok := s.idOf(c)
	if !ok {
		return
	}
	ctx := c.Request.Context()
	err := errNoCache
	if s.deps.Flush != nil {
		_, err = s.record(ctx, id)
	}
	if err == nil {
		if failed := s.deps.Flush(ctx, id); failed != nil {
			err = &flushError{failed}
		}
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	s.log.InfoContext(ctx, "cache flushed by an operator", "tenant", id.String(), by(c))
	s.note(c, "tenant.flush", id, nil)
	writeJSON(c, http.StatusOK, struct {
		Flushed registry.ID `json:"flushed"`
	}{id})
}
