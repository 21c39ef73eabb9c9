package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

// problemOf says what a client gets to see of err: router's table, the rows of
// this package's own errors, and what only the server knows, namely who ended
// the request and whether PostgreSQL spoke of the client's own statement.
func problemOf(ctx context.Context, err error) router.Problem {
	// First: a body that cannot be read ends the request's context too.
	if p, own := ownProblem(err); own {
		return p
	}
	if p, ended := endOf(ctx, err); ended {
		return p
	}
	if _, statement := errors.AsType[*statementError](err); !statement {
		return withoutReport(router.ProblemOf(err))
	}
	return statementProblem(err)
}

// endOf answers for requests that did not end by themselves.
func endOf(ctx context.Context, err error) (router.Problem, bool) {
	switch {
	case ctx.Err() == nil:
		return router.Problem{}, false
	case errors.Is(context.Cause(ctx), errStopping):
		return router.ProblemOf(pools.ErrClosed), true
	case errors.Is(ctx.Err(), context.Canceled):
		return router.ProblemOf(context.Canceled), true
	case pools.ConnLost(err):
		// The deadline cut the connection because the statement would not end.
		return router.ProblemOf(context.DeadlineExceeded), true
	default:
		return router.Problem{}, false
	}
}

// statementProblem is router's table for what PostgreSQL says of a client's
// own statement. A statement can raise any SQLSTATE it likes, and some of them
// with good reason (08P01 for a wrong number of parameters, 08001 in a foreign
// table): an error that left the session alive is the statement's, whatever
// its code. A cancel is the exception: it is ours, or the tenant's timeout.
func statementProblem(err error) router.Problem {
	p := router.ProblemOf(err)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Severity == "FATAL" || pg.Severity == "PANIC" || p.Status == http.StatusGatewayTimeout {
		return p
	}
	p.Status, p.Code, p.RetryAfter = http.StatusBadRequest, pg.Code, 0
	p.Title, p.Detail, p.PG = "PostgreSQL refused the statement", pg.Message, pg
	return p
}

// withoutReport hides what PostgreSQL said to us and not to the client.
func withoutReport(p router.Problem) router.Problem {
	if p.PG != nil {
		p.PG, p.Detail = nil, ""
	}
	return p
}

// ownProblem has the rows for the errors that HTTP brings along.
func ownProblem(err error) (router.Problem, bool) {
	var bad *sqlwire.BadRequestError
	var tooLarge *sqlwire.TooLargeError
	var body *http.MaxBytesError
	switch {
	case errors.As(err, &bad):
		return router.Problem{Status: http.StatusBadRequest, Code: "bad_request", Title: "The request is malformed", Detail: bad.Message}, true
	case errors.As(err, &tooLarge):
		return detailed(router.ProblemOf(router.ErrResultTooLarge), tooLarge.Error()), true
	case errors.As(err, &body):
		return detailed(router.ProblemOf(err), fmt.Sprintf("It may have %d bytes.", body.Limit)), true
	}
	for _, r := range ownRows() {
		if errors.Is(err, r.err) {
			return r.problem, true
		}
	}
	return operatorProblem(err)
}

func detailed(p router.Problem, detail string) router.Problem {
	p.Detail = detail
	return p
}

type ownRow struct {
	err     error
	problem router.Problem
}

func ownRows() []ownRow {
	return []ownRow{
		{sqlwire.ErrCopy, router.Problem{
			Status: http.StatusBadRequest, Code: "0A000", Title: "The statement has no form over HTTP", Detail: sqlwire.ErrCopy.Error(),
		}},
		{errBodySlow, router.Problem{Status: http.StatusRequestTimeout, Code: "request_timeout", Title: "The request's body came too slowly"}},
		{errBodyLost, router.Problem{Status: http.StatusBadRequest, Code: "bad_request", Title: "The request's body ended early"}},
		{errEncoding, router.Problem{
			Status: http.StatusUnsupportedMediaType, Code: "unsupported_encoding",
			Title: "The request's body is encoded", Detail: "Send it without Content-Encoding.",
		}},
		{errNoRoute, router.Problem{Status: http.StatusNotFound, Code: "not_found", Title: "There is nothing at this path"}},
		{errNoMethod, router.Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Title: "The path does not take this method"}},
		{errNotReady, router.Problem{
			Status: http.StatusServiceUnavailable, Code: "not_ready", Title: "The service is not ready",
			Detail: "It is stopping or drained.", RetryAfter: time.Second,
		}},
		{errOpening, router.Problem{
			Status: http.StatusServiceUnavailable, Code: "not_ready", Title: "The service is not ready",
			Detail: "It is starting, and waits for what it needs before it can serve; its log says for what.", RetryAfter: openingFor,
		}},
		{errNotLocal, router.Problem{
			Status: http.StatusForbidden, Code: "not_local", Title: "The admin API answers to this machine alone",
			Detail: "Ask from the machine itself, by a loopback address, and not from a web page.",
		}},
		{errToken, router.Problem{
			Status: http.StatusUnauthorized, Code: "unauthorized", Title: "The admin API needs one of its tokens",
			Detail: "Send Authorization: Bearer TOKEN, with a token of server.admin_tokens.",
		}},
		{errRole, router.Problem{
			Status: http.StatusForbidden, Code: "forbidden", Title: "The token may only read",
			Detail: "Use a token whose role is admin.",
		}},
		{errNoControl, router.Problem{
			Status: http.StatusConflict, Code: "no_control", Title: "There is no control database",
			Detail: "Tenants are what the file says: edit the file and save it. With control.dsn set they can be changed here.",
		}},
		{errNoKeys, router.Problem{
			Status: http.StatusConflict, Code: "no_control", Title: "There is no control database",
			Detail: "API keys, and logins that can only read, are kept in one and nowhere else: set control.dsn and control.keyset.",
		}},
		{errNoServer, router.Problem{
			Status: http.StatusConflict, Code: "no_server", Title: "This needs a running server",
			Detail: "Pools and budgets are in the server's memory; ask its admin API.",
		}},
		{errInactive, router.Problem{
			Status: http.StatusConflict, Code: "state", Title: "The tenant's state does not allow this", Detail: "It is not active, and so not served.",
		}},
		{errNoWarm, router.Problem{Status: http.StatusNotImplemented, Code: "unsupported", Title: "Pools cannot be warmed here"}},
		{errNoCache, router.Problem{
			Status: http.StatusNotImplemented, Code: "unsupported", Title: "This server keeps no answers", Detail: "Its cache is off, and there is nothing to flush.",
		}},
		{errNoDoctor, router.Problem{Status: http.StatusNotImplemented, Code: "unsupported", Title: "There is no doctor here"}},
		{errNoExports, router.Problem{
			Status: http.StatusNotImplemented, Code: "unsupported", Title: "There are no exports here",
			Detail: "onboard.exports names no folder for dumps; set it.",
		}},
		{errNoExport, router.Problem{Status: http.StatusNotFound, Code: "export_unknown", Title: "There is no such export"}},
		{errScrapeToken, router.Problem{Status: http.StatusUnauthorized, Code: "scrape_token", Title: "The scrape token is missing or wrong"}},
		{errNoTenant, router.Problem{Status: http.StatusNotFound, Code: "tenant_unknown", Title: "There is no such tenant"}},
		{errNoPool, router.Problem{Status: http.StatusNotFound, Code: "pool_unknown", Title: "The tenant has no pool"}},
		{errNoCluster, router.Problem{Status: http.StatusNotFound, Code: "cluster_unknown", Title: "There is no such cluster"}},
	}
}
