package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// busyFor is when to ask again for a tenant that is worked on.
const busyFor = 2 * time.Second

// operatorError marks an error of the Operator: its text is written for
// operators, who are the only ones to get it.
type operatorError struct{ err error }

func (e *operatorError) Error() string { return e.err.Error() }
func (e *operatorError) Unwrap() error { return e.err }

// fileError marks what is wrong with a file that was sent.
type fileError struct{ problems registry.Problems }

func (e *fileError) Error() string { return e.problems.Error() }
func (e *fileError) Unwrap() error { return e.problems }

// failedError is an operation that failed while its request waited for it.
type failedError struct{ op control.Operation }

func (e *failedError) Error() string { return "operation " + e.op.ID + ": " + e.op.Error }

// operatorRow is a line of the table of what an Operator says.
type operatorRow struct {
	err         error
	status      int
	code, title string
	detail      string // "" means the error's own text
}

func operatorRows() []operatorRow {
	const conflict, bad = http.StatusConflict, http.StatusBadRequest
	return []operatorRow{
		{registry.ErrNoReader, conflict, "no_reader", "The tenant has no login that can only read", ""},
		{lifecycle.ErrDeclared, conflict, "declared", "The tenant is declared in the file", ""},
		{lifecycle.ErrState, conflict, "state", "The tenant's state does not allow this", ""},
		{lifecycle.ErrCancel, conflict, "state", "The operation cannot be cancelled", ""},
		{lifecycle.ErrConfirm, bad, "confirm", "The deletion is not confirmed", ""},
		{lifecycle.ErrInput, bad, "bad_request", "The request is malformed", ""},
		{lifecycle.ErrUnsupported, http.StatusNotImplemented, "unsupported", "This installation cannot do that", ""},
		{lifecycle.ErrClosed, http.StatusServiceUnavailable, "not_ready", "The service is not ready", "It is stopping."},
		{
			control.ErrHeldUp, http.StatusServiceUnavailable, "held_up", "Records cannot be written now",
			"Another session of the control database holds them, such as one that is idle in transaction; look into pg_stat_activity and pg_locks there.",
		},
		{
			control.ErrLost, http.StatusServiceUnavailable, "interrupted", "The work was cut short",
			"The tenant's lock could not be renewed in time, because the control database was out of reach or this process stood still. Ask for the same again.",
		},
		{control.ErrExists, conflict, "tenant_exists", "There is a tenant of this id already", "Choose another id, or change the tenant that is there."},
		{control.ErrTaken, conflict, "name_taken", "The place belongs to another tenant", ""},
		{control.ErrStale, http.StatusPreconditionFailed, "stale", "The tenant has changed meanwhile", "Read it again, and decide anew."},
		{control.ErrNoKey, http.StatusNotFound, "key_unknown", "The tenant has no such API key", "The list of its keys has those that there are."},
		{control.ErrTooManyKeys, conflict, "too_many_keys", "The tenant has as many API keys as it may have", ""},
		{control.ErrKeyset, conflict, "no_keyset", "There is no keyset, or not the right one", ""},
		{control.ErrNoSuch, http.StatusNotFound, "operation_unknown", "There is no such operation", "It may be long past."},
		{control.ErrUnknown, http.StatusNotFound, "tenant_unknown", "There is no such tenant", "The list of tenants has those that there are."},
		{onboard.ErrConflict, conflict, "name_taken", "What is on the server stands in the way", ""},
		{onboard.ErrName, bad, "bad_request", "The request is malformed", ""},
		{onboard.ErrPassword, bad, "bad_request", "The request is malformed", ""},
	}
}

// operatorProblem is what an operator gets to see of an operator's error. What
// none of the rows know is an internal error, as everywhere, but for a control
// database that cannot be asked.
func operatorProblem(err error) (router.Problem, bool) {
	var failed *failedError
	var marked *operatorError
	var file *fileError
	var flush *flushError
	switch {
	case errors.As(err, &flush):
		return flushProblem(), true
	case errors.As(err, &failed):
		return failedProblem(failed.op), true
	case errors.As(err, &file):
		detail := strconv.Itoa(len(file.problems)) + " things are wrong with it, and nothing was changed."
		if len(file.problems) == 1 {
			detail = "One thing is wrong with it, and nothing was changed."
		}
		return router.Problem{Status: http.StatusBadRequest, Code: "invalid_file", Title: "The file is wrong", Detail: detail}, true
	case errors.As(err, &marked):
		return markedProblem(marked.err)
	default:
		return router.Problem{}, false
	}
}

func markedProblem(err error) (router.Problem, bool) {
	var busy *control.BusyError
	var wrong registry.Problems
	switch {
	case errors.As(err, &busy):
		return busyProblem(busy.What), true
	case errors.As(err, &wrong):
		return router.Problem{Status: http.StatusBadRequest, Code: "bad_request", Title: "The request is malformed", Detail: wrong.Error()}, true
	}
	for _, r := range operatorRows() {
		if errors.Is(err, r.err) {
			p := router.Problem{Status: r.status, Code: r.code, Title: r.title, Detail: r.detail}
			if p.Detail == "" {
				p.Detail = particular(err, r.err)
			}
			return p, true
		}
	}
	switch {
	case unasked(err):
		return router.ProblemOf(registry.ErrUnavailable), true
	case isOurs(err):
		return router.ProblemOf(nil), true
	default:
		return router.Problem{}, false
	}
}

// isOurs reports whether PostgreSQL or the file system refused what we asked
// of it ourselves: that is no statement of a client's, and no outage.
func isOurs(err error) bool {
	var pg *pgconn.PgError
	var path *fs.PathError
	return errors.As(err, &pg) || errors.As(err, &path)
}

func busyProblem(what string) router.Problem {
	detail := "Ask again when that has ended."
	if what != "" {
		detail = "It is under " + strconv.Quote(what) + ". " + detail
	}
	return router.Problem{
		Status: http.StatusConflict, Code: "busy", Title: "The tenant is worked on by another operation", Detail: detail, RetryAfter: busyFor,
	}
}

// particular is the error's text without the words that the title has.
func particular(err, kind error) string {
	text := err.Error()
	if _, rest, found := strings.Cut(text, kind.Error()+": "); found {
		return rest
	}
	return text
}

// unasked reports whether the control database could not be asked, in which
// case it may be another time.
func unasked(err error) bool {
	var network *net.OpError
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true // whatever it said: a login that is refused is an outage as well
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		class := pg.Code[:min(2, len(pg.Code))]
		return class == "53" || class == "57" || class == "08"
	}
	lost := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
	return lost || errors.Is(err, registry.ErrUnavailable) || errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded)
}

// failedProblem is an operation that failed. Its code says why; its text is
// written for operators.
func failedProblem(op control.Operation) router.Problem {
	p := router.Problem{Status: failedStatus(op.Code), Code: op.Code, Title: "The operation failed", Detail: op.Error}
	if p.Code == "" {
		p.Code = "operation_failed"
	}
	if p.Code == "busy" {
		p.RetryAfter = busyFor
	}
	return p
}

func failedStatus(code string) int {
	switch code {
	case "busy", "name_taken", "tenant_exists", "declared", "state", "cancelled":
		return http.StatusConflict
	case "stale":
		return http.StatusPreconditionFailed
	case "tenant_unknown":
		return http.StatusNotFound
	case "unsupported":
		return http.StatusNotImplemented
	case "interrupted", "held_up":
		return http.StatusServiceUnavailable
	case "bad_request", "privilege", "cluster", codeMigration, codeMigrations, codePartly:
		return http.StatusUnprocessableEntity // what an operator can mend
	default:
		return http.StatusInternalServerError
	}
}

// Codes of operations that went well for some tenants.
const (
	codeMigration  = "migration_failed"
	codeMigrations = "migrations_failed"
	codePartly     = "partly_failed"
)

// fail refuses with an error of the Operator.
func (a *admin) fail(c *gin.Context, err error) { a.refuse(c, &operatorError{err}) }

// maxFileProblems keeps one bad file of ten thousand tenants readable.
const maxFileProblems = 1000

// members are what the problem has besides those that every problem has.
func members(err error, p *adminwire.Problem) bool {
	var failed *failedError
	var marked *operatorError
	var file *fileError
	var problems registry.Problems
	switch {
	case errors.As(err, &failed):
		op := operationOf(failed.op)
		p.Operation = &op
	case (errors.As(err, &marked) || errors.As(err, &file)) && errors.As(err, &problems):
		for _, one := range problems[:min(len(problems), maxFileProblems)] {
			p.Problems = append(p.Problems, adminwire.FileProblem{File: one.File, Line: one.Line, Field: one.Field, Message: one.Message})
		}
	default:
		return false
	}
	return true
}

// writeMembers writes a problem that has members of its own.
func writeMembers(c *gin.Context, p router.Problem, more adminwire.Problem) {
	h := c.Writer.Header()
	more.Type, more.Title, more.Status, more.Code, more.Detail = "about:blank", p.Title, p.Status, p.Code, strings.ToValidUTF8(p.Detail, "\uFFFD")
	more.RequestID = trailOf(c).id
	text, err := json.Marshal(more)
	if err != nil {
		panic(err) // a mistake in this package, for recovery
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(p.RetryAfter.Seconds())))
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	c.Writer.WriteHeader(p.Status)
	_, _ = c.Writer.Write(append(text, '\n')) // nobody can be told of a client that does not read
}
