package server

import "errors"

// Errors of New and Run; match them with errors.Is.
var (
	// ErrDeps is returned when New is not given what it cannot do without.
	ErrDeps = errors.New("server: a dependency is missing")
	// ErrStarted is returned when Run is called a second time.
	ErrStarted = errors.New("server: was started before")
	// ErrCut is returned by Run when requests or leases outlived the drain
	// timeout and were cut.
	ErrCut = errors.New("server: work was cut at the end of server.drain_timeout")
)

// Reasons why a request fails before the database is asked, or while its
// answer is made. problem.go gives each its status.
var (
	// errStopping is the cause of a request's context when the server's
	// patience ended.
	errStopping = errors.New("server: stopping")
	// errBodySlow is returned when a body is not there within read_timeout.
	errBodySlow = errors.New("server: request body came too slowly")
	// errBodyLost is returned when the client went away in its body.
	errBodyLost = errors.New("server: request body ended early")
	// errEncoding is returned for a compressed body.
	errEncoding = errors.New("server: request body is encoded")
	// errNoRoute is returned when no route has the path.
	errNoRoute = errors.New("server: no such route")
	// errNoMethod is returned when the path has no such method.
	errNoMethod = errors.New("server: no such method here")
	// errNotReady is returned by /readyz while the server stops or drains.
	errNotReady = errors.New("server: not ready")
	// errOpening is returned while Run waits for Deps.Open.
	errOpening = errors.New("server: starting")
	// errNotLocal is returned when the admin API is asked from elsewhere.
	errNotLocal = errors.New("server: the admin API answers to this machine alone")
	// errToken is returned when the admin API is asked without a token of its.
	errToken = errors.New("server: admin token missing or wrong")
	// errRole is returned when a token that may read is to change something.
	errRole = errors.New("server: the token's role does not allow this")
	// errNoControl is returned for what needs a control database.
	errNoControl = errors.New("server: no control database")
	// errNoKeys is returned for API keys without a control database.
	errNoKeys = errors.New("server: no control database for API keys")
	// errNoServer is returned by NewAdmin's handler for what needs a server
	// that runs.
	errNoServer = errors.New("server: needs a running server")
	// errInactive is returned by the admin API for a tenant that is not served.
	errInactive = errors.New("server: tenant is not active")
	// errNoWarm is returned when pools cannot be warmed.
	errNoWarm = errors.New("server: pools cannot be warmed")
	// errNoCache is returned when there are no answers to be flushed.
	errNoCache = errors.New("server: no answers are kept")
	// errNoDoctor is returned when there is nobody to check anything.
	errNoDoctor = errors.New("server: no doctor")
	// errNoExport is returned for a name without an export.
	errNoExport = errors.New("server: no such export")
	// errNoExports is returned when there is no folder of exports.
	errNoExports = errors.New("server: no folder of exports")
	// errNoResult is returned for an operation that ended well and left nothing.
	errNoResult = errors.New("server: operation has no result")
	// errScrapeToken is returned when /metrics is asked without its token.
	errScrapeToken = errors.New("server: scrape token missing or wrong")
	// errNoTenant is returned by the admin API for an id without a record.
	errNoTenant = errors.New("server: no such tenant")
	// errNoPool is returned by the admin API for a tenant without a pool.
	errNoPool = errors.New("server: tenant has no pool")
	// errNoCluster is returned by the admin API for a name without a cluster.
	errNoCluster = errors.New("server: no such cluster")
	// errPanic is returned when a handler panicked.
	errPanic = errors.New("server: handler panicked")
)

// statementError marks an error that came from running the client's own
// statements, so that what PostgreSQL says may be told to the client.
type statementError struct{ err error }

func (e *statementError) Error() string { return e.err.Error() }
func (e *statementError) Unwrap() error { return e.err }

// bindError says in one sentence, without the system's words, why an address
// cannot be listened on.
type bindError struct {
	text string
	err  error
}

func (e *bindError) Error() string { return e.text }
func (e *bindError) Unwrap() error { return e.err }
