package server

import (
	"context"

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

// Changing reports whether a change by an operator is under way.
func (s *Server) Changing() bool {
	if !s.changing.TryLock() {
		return true
	}
	s.changing.Unlock()
	return false
}
