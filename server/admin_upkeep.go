package server

import (
	"context"
	_ "embed"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// openAPIText describes the admin API, as OpenAPI 3.1. Tests hold the handlers
// to it.
//
//go:embed openapi.json
var openAPIText []byte

// openAPI answers GET /v1/openapi.json.
func (a *admin) openAPI(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	c.Writer.WriteHeader(http.StatusOK)
	_, _ = c.Writer.Write(openAPIText) // nobody can be told of a client that does not read
}

// listPlans answers GET /v1/plans.
func (a *admin) listPlans(c *gin.Context) { writeJSON(c, http.StatusOK, plansOf(a.operator.Plans())) }

// examine answers POST /v1/doctor.
func (a *admin) examine(c *gin.Context) {
	if a.deps.Doctor == nil {
		a.refuse(c, errNoDoctor)
		return
	}
	report, err := a.deps.Doctor(c.Request.Context())
	if err != nil {
		a.fail(c, err)
		return
	}
	if report.Findings == nil {
		report.Findings = []adminwire.Finding{} // [] and not null
	}
	if report.Checked == nil {
		report.Checked = []string{}
	}
	writeJSON(c, http.StatusOK, report)
}

// reseal answers POST /v1/keys/reseal.
func (a *admin) reseal(c *gin.Context) {
	a.run(c, operationAfter, func(ctx context.Context) (control.Operation, error) { return a.operator.Reseal(ctx, actorOf(c)) })
}

// warmPool answers POST /v1/pools/{id}/warm: the tenant's pool is there, with
// a connection, for its next request, and so is its reader's if it has one.
func (s *Server) warmPool(c *gin.Context) {
	id, ok := s.idOf(c)
	if !ok {
		return
	}
	err := errNoWarm
	if s.deps.Warm != nil {
		err = s.warm(c.Request.Context(), id)
	}
	switch {
	case errors.Is(err, registry.ErrUnknown):
		err = errNoTenant
	case errors.Is(err, registry.ErrInactive):
		err = errInactive
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	s.log.InfoContext(c.Request.Context(), "pool warmed by an operator", "tenant", id.String(), by(c))
	s.note(c, "pool.warm", id, nil)
	writeJSON(c, http.StatusOK, s.pool(id))
}

func (s *Server) warm(ctx context.Context, id registry.ID) error {
	if err := s.deps.Warm(ctx, id); err != nil {
		return err
	}
	err := s.deps.Warm(ctx, id.Reader())
	if errors.Is(err, registry.ErrNoReader) || errors.Is(err, registry.ErrUnknown) {
		return nil // most tenants have none
	}
	return err
}
