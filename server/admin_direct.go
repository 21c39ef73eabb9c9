package server

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// AdminDeps are what the admin API works with where no server runs.
type AdminDeps struct {
	// Operator does what is asked for; nil means that there is no control
	// database, and changes are refused.
	Operator Operator
	// Registry lists tenants when there is no Operator; may be nil.
	Registry Registry
	// Doctor checks the configuration against the servers; nil means that
	// POST /v1/doctor is refused.
	Doctor func(ctx context.Context) (adminwire.DoctorReport, error)
	// Actor is who asks, for the audit trail. Default "local".
	Actor string
	// Log gets a line for every request; nil means silence.
	Log *slog.Logger
	// Version is shown by /livez.
	Version string
}

// NewAdmin returns the admin API without a server, for a program that works on
// the databases itself: everything below /v1 but what is about live pools,
// which is refused with 409 no_server. It asks for no credential: whoever
// holds the handler has the databases' passwords. The error is that of
// cfg.Validate.
func NewAdmin(cfg Config, d AdminDeps) (http.Handler, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	s := build(cfg, Deps{Operator: d.Operator, Registry: d.Registry, Doctor: d.Doctor, Log: d.Log, Version: d.Version})
	return paced(cfg.WriteTimeout, directRoutes(s, lifecycle.Actor(cmp.Or(d.Actor, actorLocal)))), nil
}

func directRoutes(s *Server, actor lifecycle.Actor) *gin.Engine {
	guard := func(c *gin.Context) { c.Set(actorKey{}, actor) }
	e := s.engine()
	s.health(e, s.deps.Version)
	(&admin{Server: s, operator: s.deps.Operator}).mountOperator(e, guard)
	for _, r := range s.serverRoutes() {
		e.Handle(r.method, r.path, guard, s.refusal(errNoServer))
	}
	return e
}
