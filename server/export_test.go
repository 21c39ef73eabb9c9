package server

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/router"
)

// Session is what SetAcquire's function lends.
type Session = session

// SetAcquire has the server borrow its connections from fn. It is the one
// seam that tests need: everything above it is real, and what fn lends may
// speak to a fake PostgreSQL.
func (s *Server) SetAcquire(fn func(ctx context.Context, v *router.Visit) (Session, error)) {
	s.acquire = fn
}

// Unbound is what Run returns when an address cannot be bound for err.
func Unbound(field, address string, err error) error { return unbound(field, address, err) }

// TakeOccasion reports whether a line of this kind stands out in the log now.
func (s *Server) TakeOccasion(kind string) bool { return s.loud.take(kind) }

// Changing reports whether a change by an operator is under way.
func (s *Server) Changing() bool {
	if !s.changing.TryLock() {
		return true
	}
	s.changing.Unlock()
	return false
}

// AdminRoutes are the routes of the admin listener, as METHOD PATH.
func (s *Server) AdminRoutes() []string { return routesOf(s.adminRoutes()) }

// DataRoutes are the routes of the data listener, as METHOD PATH.
func (s *Server) DataRoutes() []string { return routesOf(s.dataRoutes()) }

// DirectRoutes are those of NewAdmin's handler.
func DirectRoutes() []string {
	return routesOf(directRoutes(build(Defaults(), Deps{}), ""))
}

func routesOf(e *gin.Engine) []string {
	var all []string
	for _, r := range e.Routes() {
		all = append(all, r.Method+" "+r.Path)
	}
	return all
}

// ParseTokens reads server.admin_tokens and returns NAME ROLE of each.
func ParseTokens(text string) ([]string, error) {
	tokens, err := parseTokens(text)
	var all []string
	for _, t := range tokens {
		all = append(all, t.name+" "+t.role)
	}
	return all, err
}

// ParsePatch reads the body of PATCH /v1/tenants/{id}.
func ParsePatch(body []byte) (lifecycle.Patch, error) { return parsePatch(body) }

// ParseTags reads an If-Match header, and reports whether it has a version.
func ParseTags(text string, version uint64) (bool, error) {
	t, err := parseTags("If-Match", http.Header{"If-Match": {text}})
	return t.has(version, false), err
}
