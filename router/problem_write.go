package router

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/router/pgreport"
)

// The headers that say how much of a rate is left, and what the rate is.
const (
	rateLimit       = "RateLimit"
	rateLimitPolicy = "RateLimit-Policy"
)

// body is a problem as RFC 9457 has it, with members of our own. The type is
// about:blank: what kind of problem it is, code says.
type body struct {
	Type      string  `json:"type"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Code      string  `json:"code"`
	Detail    string  `json:"detail,omitempty"`
	RequestID string  `json:"request_id,omitempty"`
	Postgres  *report `json:"postgres,omitempty"`
}

// report has PostgreSQL's fields, in an object of their own because RFC 9457
// has a detail too. The names are those of the protocol of POST /sql.
type report struct {
	Severity         string `json:"severity,omitempty"`
	Message          string `json:"message"`
	Detail           string `json:"detail,omitempty"`
	Hint             string `json:"hint,omitempty"`
	Position         int32  `json:"position,omitempty"`
	InternalPosition int32  `json:"internalPosition,omitempty"`
	InternalQuery    string `json:"internalQuery,omitempty"`
	Where            string `json:"where,omitempty"`
	Schema           string `json:"schema,omitempty"`
	Table            string `json:"table,omitempty"`
	Column           string `json:"column,omitempty"`
	DataType         string `json:"dataType,omitempty"`
	Constraint       string `json:"constraint,omitempty"`
	File             string `json:"file,omitempty"`
	Line             int32  `json:"line,omitempty"`
	Routine          string `json:"routine,omitempty"`
}

func newReport(pg *pgconn.PgError) *report {
	if pg == nil {
		return nil
	}
	pg = pgreport.Clip(pg)
	return &report{
		Severity: pg.Severity, Message: pg.Message, Detail: pg.Detail, Hint: pg.Hint,
		Position: pg.Position, InternalPosition: pg.InternalPosition, InternalQuery: pg.InternalQuery,
		Where: pg.Where, Schema: pg.SchemaName, Table: pg.TableName, Column: pg.ColumnName,
		DataType: pg.DataTypeName, Constraint: pg.ConstraintName,
		File: pg.File, Line: pg.Line, Routine: pg.Routine,
	}
}

// WriteProblem answers with p as application/problem+json (RFC 9457): type,
// title, status, code, detail, request_id, and PostgreSQL's fields under
// postgres. The request id is the X-Request-Id of the response's header. It
// sets Retry-After in whole seconds, at least one, when p says to retry;
// RateLimit and RateLimit-Policy when p has them; WWW-Authenticate on 401; and
// Cache-Control: no-store always. Headers that a handler set for another body
// are removed, and those that speak of a tenant from its refusal. No text of PostgreSQL's, and no
// detail, is longer than pgreport.MaxText.
func WriteProblem(w http.ResponseWriter, r *http.Request, p Problem) {
	if p.Status == 0 {
		p = ProblemOf(nil)
	}
	h := w.Header()
	for _, stale := range []string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified", "Expires"} {
		h.Del(stale)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	p.quota(h)
	if p.RetryAfter > 0 {
		h.Set("Retry-After", wholeSeconds(p.RetryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="poolkeeper"`)
	}
	w.WriteHeader(p.Status)
	if r.Method == http.MethodHead {
		return
	}
	// Nobody can be told of a client that does not read.
	_, _ = w.Write(p.encode(h.Get(requestIDHeader))) //nolint:gosec // JSON with its angle brackets escaped, and nosniff
}

// quota leaves what was set for the visit, but for a tenant that vanished in
// the meantime: it must look like one that never was.
func (p Problem) quota(h http.Header) {
	if p.Code == codeRefused {
		h.Del(rateLimit)
		h.Del(rateLimitPolicy)
		h.Del("Server-Timing")
	}
	if p.RateLimit != "" {
		h.Set(rateLimit, p.RateLimit)
	}
	if p.RateLimitPolicy != "" {
		h.Set(rateLimitPolicy, p.RateLimitPolicy)
	}
}

func (p Problem) encode(requestID string) []byte {
	text, err := json.Marshal(body{
		Type: "about:blank", Title: p.Title, Status: p.Status, Code: p.Code,
		Detail: pgreport.Text(p.Detail), RequestID: requestID, Postgres: newReport(p.PG),
	})
	if err != nil { // unreachable: the body has texts and numbers only
		return []byte(`{"type":"about:blank"}`)
	}
	return append(text, '\n')
}

// wholeSeconds rounds up: whoever comes back a moment early is refused again.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
