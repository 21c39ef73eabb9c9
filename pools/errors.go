package pools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Refusals; match them with errors.Is. An unknown or inactive tenant is
// refused with the registry's own errors.
var (
	// ErrClosed is returned when the keeper drains or is closed.
	ErrClosed = errors.New("pools: keeper is closed")
	// ErrPoolLimit is returned when as many pools are live as may be, and none
	// of them fell free in time.
	ErrPoolLimit = errors.New("pools: limit of live pools reached")
	// ErrTenantQueue is returned when as many callers wait for the tenant's
	// connections as may.
	ErrTenantQueue = errors.New("pools: tenant's queue is full")
	// ErrTenantTimeout is returned when none of the tenant's connections fell
	// free in time.
	ErrTenantTimeout = errors.New("pools: tenant's connections stayed busy")
	// ErrBudget is returned when the cluster had no connection to spare for
	// the tenant in time.
	ErrBudget = errors.New("pools: cluster's budget stayed used up")
	// ErrClusterQueue is returned when as many callers wait for the cluster's
	// budget as may.
	ErrClusterQueue = errors.New("pools: cluster's queue is full")
	// ErrServerFull is wrapped in a DatabaseError when the server has no
	// connection left (SQLSTATE 53300): exhaustion, not an outage.
	ErrServerFull = errors.New("pools: server has no connection left")
	// ErrDatabase is matched by a [DatabaseError].
	ErrDatabase = errors.New("pools: tenant's database is unavailable")
	// ErrDrained is returned on a lease that outlived the drain deadline of
	// its retired pool, whose connections were cut.
	ErrDrained = errors.New("pools: lease outlived its pool's drain deadline")
	// ErrReleased is returned on a lease or a connection that was released.
	ErrReleased = errors.New("pools: already released")
	// ErrNotWalled is returned by [Conn.Walled].
	ErrNotWalled = errors.New("pools: tenant is not behind a wall")
	// ErrPreparing is returned, with their context's error, to callers who
	// left while Config.Prepare was at work for the tenant. That goes on.
	ErrPreparing = errors.New("pools: tenant is being prepared")
	// ErrPrepare is returned when Config.Prepare failed, with its error, or
	// did a moment ago.
	ErrPrepare = errors.New("pools: tenant could not be prepared")
	// ErrRecord is returned when a record cannot be turned into a pool: its
	// cluster is not configured, or its connection string is not one.
	ErrRecord = errors.New("pools: record cannot be opened")
	// ErrSetting is returned by [Lease.InTxWith] for a setting that it does
	// not make.
	ErrSetting = errors.New("pools: setting cannot be made")
	// ErrPin is wrapped in a DatabaseError when a new connection does not
	// show what was pinned.
	ErrPin = errors.New("pools: session is not what was pinned")
)

// DatabaseError says that a tenant's database cannot be reached, or that a
// connection to it could not be made the tenant's. It matches [ErrDatabase].
type DatabaseError struct {
	Tenant registry.ID
	// RetryAfter is the back-off left, zero when the next try may come at once.
	RetryAfter time.Duration
	Err        error
}

// Error names the tenant and the cause. It holds no secret, but it may name
// hosts and roles: it is for logs.
func (e *DatabaseError) Error() string {
	return fmt.Sprintf("%v: %s: %v", ErrDatabase, e.Tenant, e.Err)
}

// Unwrap returns the cause.
func (e *DatabaseError) Unwrap() error { return e.Err }

// Is reports whether target is ErrDatabase.
func (e *DatabaseError) Is(target error) bool { return target == ErrDatabase }

// errServerFull is the cause in a DatabaseError when no try was made because
// the server had no connection left a moment ago. It says so with PostgreSQL's
// own code.
var errServerFull error = &pgconn.PgError{Severity: "FATAL", Code: tooManyConnections, Message: "the server has no connection left"}

// tooManyConnections is PostgreSQL's SQLSTATE for it.
const tooManyConnections = "53300"

// errBackedOff is the cause in a DatabaseError when no try was made at all.
var errBackedOff = errors.New("pools: backing off after a failure")

// ConnLost reports whether err, returned by a statement, means that the
// connection broke under it: the server went away, an administrator ended the
// session, or the network failed. The statement may or may not have happened.
func ConnLost(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		// Class 57, PostgreSQL's "Appendix A": 57P01 to 57P05 end the session.
		// A statement may raise any code; only the server's own end is FATAL.
		return pg.Severity == "FATAL" && (strings.HasPrefix(pg.Code, "57P") || strings.HasPrefix(pg.Code, "08"))
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return false
	}
	_, network := errors.AsType[net.Error](err)
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		network || pgconn.SafeToRetry(err)
}

// endOf is the error of a context that has ended: context.Canceled or
// DeadlineExceeded, and beside it why, where somebody has said so.
func endOf(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// acquireError turns what became of a caller's wait into what it may see: its
// own context's error, a limit's, the drain deadline, or the database's state.
func (e *entry) acquireError(ctx context.Context, err error) error {
	known, _ := errors.AsType[*DatabaseError](err)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("pools: tenant %s: waiting for a connection: %w", e.tenant.ID, endOf(ctx))
	case known != nil:
		return err
	case errors.Is(err, ErrTenantTimeout), errors.Is(err, ErrTenantQueue), errors.Is(err, ErrBudget),
		errors.Is(err, ErrClusterQueue):
		return fmt.Errorf("tenant %s: %w", e.tenant.ID, err)
	default:
		return e.failure(err)
	}
}

// failure turns what became of an opening into what a caller may see.
func (e *entry) failure(err error) error {
	if errors.Is(err, puddle.ErrClosedPool) || errors.Is(err, ErrDrained) || e.cut.Load() {
		return fmt.Errorf("tenant %s: %w", e.tenant.ID, ErrDrained)
	}
	if errors.Is(err, ErrBudget) { // nothing was tried
		return ErrBudget
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == tooManyConnections {
		err = fmt.Errorf("%w: %w", ErrServerFull, err)
	}
	return &DatabaseError{Tenant: e.tenant.ID, RetryAfter: e.backoffLeft(), Err: err}
}
