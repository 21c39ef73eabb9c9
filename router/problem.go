package router

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission"
	"github.com/poolkeeper/poolkeeper/router/token"
)

// Problem is an error as a client may see it.
type Problem struct {
	// Status is the HTTP status.
	Status int
	// Code is for programs: PostgreSQL's SQLSTATE when it gave one, else a
	// word of the table, such as tenant_limit.
	Code string
	// Title says what kind of thing happened; the same for every occurrence.
	Title string
	// Detail says more about this occurrence.
	Detail string
	// RetryAfter is how long to wait before the next try; zero when waiting
	// does not help.
	RetryAfter time.Duration
	// RateLimit and RateLimitPolicy are the headers of that name; empty when
	// the tenant has no rate.
	RateLimit       string
	RateLimitPolicy string
	// PG is PostgreSQL's own report, when the client may see it. ProblemOf
	// clips its texts, as pgreport.Clip does.
	PG *pgconn.PgError
}

// REST returns the problem as an endpoint in the style of REST answers it: a
// violated constraint (SQLSTATE class 23) is 409 instead of 400, because there
// the client named a resource and wrote no SQL. Everything else is unchanged.
//
//	router.WriteProblem(w, req, router.ProblemOf(err).REST())
func (p Problem) REST() Problem {
	if p.Status == http.StatusBadRequest && p.PG != nil && strings.HasPrefix(p.PG.Code, "23") {
		p.Status = http.StatusConflict
	}
	return p
}

// ProblemOf says what a client gets to see of err: the first row of the table
// that matches. It knows the errors of this package, of admission, token,
// registry and pools, of statements run on a lease, and those of a context. Any other, nil too, is
// an internal error, whose text stays inside.
//
// A handler's own mistakes of the client (a body that does not parse, a row
// that is not there) need a Problem of the handler's own.
func ProblemOf(err error) Problem {
	r := rowOf(err)
	p := Problem{
		Status:     r.status,
		Code:       r.code,
		Title:      r.title,
		Detail:     r.detail,
		RetryAfter: r.retry,
	}
	if r.fill != nil {
		r.fill(&p, err)
	}
	return p
}

// A row of the table: what happened and what the client sees of it.
type row struct {
	what   string // the row's name, for people
	match  func(error) bool
	status int
	code   string // empty when fill takes the SQLSTATE
	title  string
	detail string
	retry  time.Duration         // zero: waiting does not help
	fill   func(*Problem, error) // takes from the error what the client may see; may be nil
}

// rowOf returns the first row that matches; the last one matches anything.
func rowOf(err error) *row {
	for i := range table {
		if table[i].match(err) {
			return &table[i]
		}
	}
	return &table[len(table)-1] // unreachable
}

const (
	// soon is when to try again where nothing better is known.
	soon = time.Second

	statusCanceled = 499 // nginx's "client closed request"; nobody reads it

	codeRefused   = "tenant_refused"
	refused       = "The tenant is unknown, or the request may not use it"
	refusedDetail = "Name a tenant that exists, in one of the ways that this service accepts, with a credential for it."
	unavailable   = "The tenant's database is unavailable"
)

// table is the one place where errors become statuses. The order matters:
// typed errors stand above the bare PostgreSQL and context errors that they
// may wrap.
//
// Two rows are narrower than "SQLSTATE class 08": PostgreSQL answers a wrong
// number of parameters with 08P01 and severity ERROR, which is the client's
// mistake; and 53300 is never called an outage, because it is exhaustion. For
// the same reason the limits stand above the outages: one that was met while a
// connection was being opened is still a limit.
var table = [...]row{ //nolint:gochecknoglobals // data, never changed; built once because refusals must stay cheap
	// Tenants that are not served. Where the tenant is part of the address, the
	// answer is that there is no such address.
	{
		what: "tenant refused, named by host or path", match: inPlace,
		status: http.StatusNotFound, code: codeRefused, title: refused, detail: refusedDetail,
	},
	{
		what: "tenant refused", match: is(ErrNoTenant, ErrRefused, registry.ErrUnknown, registry.ErrInactive, registry.ErrInvalidID),
		status: http.StatusUnauthorized, code: codeRefused, title: refused, detail: refusedDetail,
	},
	{
		what: "too many refusals of the address", match: is(ErrProbing),
		status: http.StatusTooManyRequests, code: "probe_limit", title: "Too many requests from this address were refused",
		detail: "Come back later, or with a valid credential where the service takes one.", retry: soon, fill: fillProbing,
	},

	// What the tenant may not, said only to those who may speak for it.
	{
		what: "no login that can only read", match: is(registry.ErrNoReader),
		status: http.StatusForbidden, code: "read_only", title: "The credential may only read, and the tenant has no login for that",
		detail: "Have the operator make one (POST /v1/tenants/{id}/reader of the admin API), or use a credential that may write.",
	},
	{
		what: "isolation does not allow SQL from clients", match: is(pools.ErrNotWalled),
		status: http.StatusForbidden, code: "isolation", title: "The tenant's isolation does not allow SQL from clients",
		detail: "SQL could reach rows of other tenants.", fill: fillWall,
	},

	// Limits.
	{
		what: "tenant's rate", match: is(admission.ErrRate),
		status: http.StatusTooManyRequests, code: "tenant_limit", title: "The tenant's own limit is reached",
		detail: "The tenant makes more requests than its rate allows.", retry: soon, fill: fillQuota,
	},
	{
		what: "tenant's requests under way", match: is(admission.ErrInFlight),
		status: http.StatusTooManyRequests, code: "tenant_limit", title: "The tenant's own limit is reached",
		detail: "As many requests of this tenant as may are under way.", retry: soon, fill: fillQuota,
	},
	{
		what: "shared limits cannot be asked", match: is(admission.ErrStore),
		status: http.StatusServiceUnavailable, code: "capacity", title: "There is no room for the request now",
		detail: "It is not known how much of the tenant's limit is used.", retry: soon, fill: fillQuota,
	},
	{
		what: "tenant's own limit", match: is(pools.ErrTenantQueue, pools.ErrTenantTimeout),
		status: http.StatusTooManyRequests, code: "tenant_limit", title: "The tenant's own limit is reached",
		detail: "As many requests of this tenant as may are under way or waiting.", retry: soon,
	},
	{
		what: "cluster's budget used up", match: is(pools.ErrBudget),
		status: http.StatusServiceUnavailable, code: "capacity", title: "There is no room for the request now",
		detail: "All connections that the service may have to the tenant's database server stayed in use.", retry: soon,
	},
	{
		what: "cluster's queue full", match: is(pools.ErrClusterQueue),
		status: http.StatusServiceUnavailable, code: "capacity", title: "There is no room for the request now",
		detail: "As many requests as may are waiting for a connection to the tenant's database server.", retry: soon,
	},
	{
		what: "live pools, drain or shutdown", match: is(pools.ErrPoolLimit, pools.ErrClosed, pools.ErrDrained),
		status: http.StatusServiceUnavailable, code: "capacity", title: "There is no room for the request now",
		detail: "The service is at a limit of its own, or stopping.", retry: soon,
	},
	{
		what: "server's connections used up", match: sqlstate("53300"),
		status: http.StatusServiceUnavailable, title: "There is no room for the request now",
		detail: "The database server has no connection to spare.", retry: soon, fill: fillOutage,
	},

	// A tenant whose data is brought up to date before it is served.
	{
		what: "tenant's data is being prepared", match: preparing,
		status: http.StatusServiceUnavailable, code: "preparing", title: "The tenant's data is being prepared",
		detail: "It is brought up to date before it is served. Try again in a moment.", retry: soon,
	},
	{
		what: "tenant's data could not be prepared", match: is(pools.ErrPrepare),
		status: http.StatusServiceUnavailable, code: "not_prepared", title: "The tenant's data could not be prepared",
		detail: "The service's log has the reason.", retry: soon,
	},

	// Outages, deadlines, and requests that nobody waits for any more.
	{
		what: "tenant's database down", match: is(pools.ErrDatabase),
		status: http.StatusServiceUnavailable, code: "database_unavailable", title: unavailable,
		detail: "It cannot be connected to.", retry: soon, fill: fillOutage,
	},
	{
		what: "credentials unavailable", match: is(token.ErrKeys),
		status: http.StatusServiceUnavailable, code: "credentials_unavailable", title: "Credentials cannot be verified now",
		detail: "The keys that tokens are verified with cannot be had.", retry: soon,
	},
	{
		what: "records unavailable", match: is(registry.ErrUnavailable),
		status: http.StatusServiceUnavailable, code: "registry_unavailable", title: "The tenants' records are unavailable",
		detail: "It is not known whether the tenant may be served.", retry: soon,
	},
	{
		what: "request canceled", match: is(context.Canceled),
		status: statusCanceled, code: "canceled", title: "The request was canceled",
	},
	{
		what: "statement canceled by a deadline", match: sqlstate("57014"),
		status: http.StatusGatewayTimeout, title: "The deadline passed", fill: fillPG,
	},
	{
		what: "deadline", match: is(context.DeadlineExceeded),
		status: http.StatusGatewayTimeout, code: "deadline", title: "The deadline passed",
		detail: "The request took longer than it may.",
	},
	{
		what: "session ended or login refused by the server", match: serverGone,
		status: http.StatusServiceUnavailable, title: unavailable,
		detail: "The server ended the connection or refused it.", retry: soon, fill: fillCode,
	},

	// What is left is the request's fault, or ours.
	{
		what: "SQL error", match: isPG,
		status: http.StatusBadRequest, title: "PostgreSQL refused the statement", fill: fillPG,
	},
	{
		what: "request body too large", match: bodyTooLarge,
		status: http.StatusRequestEntityTooLarge, code: "body_too_large", title: "The request's body is too large",
	},
	{
		what: "result too large", match: is(ErrResultTooLarge),
		status: http.StatusInsufficientStorage, code: "result_too_large", title: "The result is too large",
		detail: "Ask for fewer or smaller rows.",
	},
	{
		what: "connection lost", match: pools.ConnLost,
		status: http.StatusServiceUnavailable, code: "database_unavailable", title: unavailable,
		detail: "The connection broke; the statement may or may not have happened.", retry: soon,
	},
	{
		what: "anything else", match: func(error) bool { return true },
		status: http.StatusInternalServerError, code: "internal", title: "Something went wrong inside",
		detail: "The service's log has the reason under the request's id.",
	},
}
