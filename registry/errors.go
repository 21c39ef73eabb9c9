package registry

import "errors"

// Errors of a lookup; match them with errors.Is.
var (
	// ErrUnknown is returned when no record has the id.
	ErrUnknown = errors.New("registry: unknown tenant")
	// ErrInactive is returned for a record that is pending, suspended or
	// retired.
	ErrInactive = errors.New("registry: tenant is not active")
	// ErrUnavailable is returned when the source cannot be asked and nothing
	// is cached.
	ErrUnavailable = errors.New("registry: source unavailable")
	// ErrNoReader is returned for the reader of a tenant that has no login
	// which can only read.
	ErrNoReader = errors.New("registry: tenant has no login that can only read")
	// ErrInvalidID is returned by ParseID.
	ErrInvalidID = errors.New("registry: invalid tenant id")
)
