package router

import (
	"errors"
	"fmt"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Refusals of a request; match them with errors.Is. Besides these, a request
// is refused with registry.ErrUnknown and registry.ErrInactive. A client
// cannot tell any of them from the others.
var (
	// ErrNoTenant is returned when no listed resolver finds a tenant.
	ErrNoTenant = errors.New("router: no tenant named")
	// ErrRefused is matched by every refusal below.
	ErrRefused = errors.New("router: tenant refused")
	// ErrMalformed is returned when a place where a tenant belongs holds
	// something that cannot be one.
	ErrMalformed = fmt.Errorf("%w: malformed name", ErrRefused)
	// ErrReserved is returned when the request names nothing but a host that
	// is no tenant's: a reserved label or an IP address.
	ErrReserved = fmt.Errorf("%w: reserved host", ErrRefused)
	// ErrConflict is returned when two resolvers find different tenants.
	ErrConflict = fmt.Errorf("%w: resolvers disagree", ErrRefused)
	// ErrUntrusted is returned when a tenant is found, but by no resolver
	// that suffices without a credential.
	ErrUntrusted = fmt.Errorf("%w: not vouched for", ErrRefused)
	// ErrCredential is returned when the request shows a credential that is
	// not good. The reason is matched too: one of packages apikey and token,
	// when it came to be verified.
	ErrCredential = fmt.Errorf("%w: bad credential", ErrRefused)
)

// Other errors.
var (
	// ErrProbing is returned for an address from which too many requests were
	// refused, unless a verified credential vouches for this one. It says
	// nothing of the tenant, for which nobody has looked.
	ErrProbing = errors.New("router: too many requests of this address were refused")
	// ErrNoVisit is returned by [From] and [Lease] when the context is not
	// that of a request that came through the middleware.
	ErrNoVisit = errors.New("router: no visit in the context; is the middleware mounted, and is it the request's own context?")
	// ErrVisitClosed is returned by [Visit.Lease] after [Visit.Close], which
	// for a handler means after it returned.
	ErrVisitClosed = errors.New("router: visit is closed")
	// ErrResultTooLarge is for handlers that cap what they answer: [ProblemOf]
	// gives it 507. (The counterpart for requests is *http.MaxBytesError.)
	ErrResultTooLarge = errors.New("router: result is too large")
)

// errAborted is what those get who wait for a Lease call that panics.
var errAborted = errors.New("router: leasing did not come to an end")

// errReborn is returned for a visit of a tenant whose id is another's by now.
var errReborn = fmt.Errorf("%w: the tenant was removed, and another has its id", registry.ErrUnknown)

// LimitError says whose request was not admitted. A log wants to know, and the
// tenant's own client is told of the limit alone.
type LimitError struct {
	// Tenant was found, and may be spoken for by who asked.
	Tenant registry.ID
	// KeyID is the public id of the API key, "" without one.
	KeyID string
	// Err is what Deps.Admission said.
	Err error
}

// Error is that of Err.
func (e *LimitError) Error() string { return "router: " + e.Err.Error() }

// Unwrap returns Err.
func (e *LimitError) Unwrap() error { return e.Err }
