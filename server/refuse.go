package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

const (
	// headerNeon marks the dialect of @neondatabase/serverless. It holds a
	// credential.
	headerNeon = "Neon-Connection-String"
	// maxUser is PostgreSQL's own limit for the name of a role.
	maxUser = 63
	// codeRefused is the one code of all refused tenants.
	codeRefused  = "tenant_refused"
	headerRate   = "RateLimit"
	headerPolicy = "RateLimit-Policy"
)

// refuse answers with what the client may see of err, in its dialect, and
// ends the request.
func (s *Server) refuse(c *gin.Context, err error) {
	p := problemOf(c.Request.Context(), err)
	t := trailOf(c)
	t.err, t.code = err, p.Code
	c.Abort()
	if p.Status == http.StatusRequestEntityTooLarge || p.Status == http.StatusRequestTimeout {
		hangUp(c)
	}
	quota(c.Writer.Header(), p)
	var more adminwire.Problem
	if members(err, &more) {
		writeMembers(c, p, more)
		return
	}
	if len(c.Request.Header.Values(headerNeon)) == 0 {
		router.WriteProblem(c.Writer, c.Request, p)
		c.Writer.WriteHeaderNow()
		return
	}
	status, body := s.neonAnswer(c.Request, p, err)
	if p.Status == http.StatusInternalServerError {
		body.Message = "internal error (request " + t.id + ")"
	}
	writeNeon(c, status, p.RetryAfter, body)
}

// hangUp has the connection end with the answer, because the rest of the body is
// not waited for. Over HTTP/2 the stream ends by itself, and the connection is not
// this request's alone: behind a proxy it is that of other tenants, too.
func hangUp(c *gin.Context) {
	if c.Request.ProtoMajor == 1 {
		c.Writer.Header().Set("Connection", "close")
	}
}

// quota shows what the problem says of the tenant's rate. Whose request may be
// anybody's, nothing that was set before gives away that there is a tenant.
func quota(h http.Header, p router.Problem) {
	if p.Code == codeRefused {
		h.Del(headerRate)
		h.Del(headerPolicy)
	}
	if p.RateLimit != "" {
		h.Set(headerRate, p.RateLimit)
	}
	if p.RateLimitPolicy != "" {
		h.Set(headerPolicy, p.RateLimitPolicy)
	}
}

// neonAnswer is the problem in the protocol of @neondatabase/serverless. A
// refused tenant looks like a wrong password, as that client's users know it,
// whether it exists or not.
func (s *Server) neonAnswer(r *http.Request, p router.Problem, err error) (int, sqlwire.ErrorFields) {
	switch {
	case p.Code == codeRefused:
		return http.StatusBadRequest, sqlwire.ErrorFields{
			Message: "password authentication failed for user '" + userOf(r.Header.Get(headerNeon)) + "'",
			Code:    "28P01", Severity: "FATAL",
		}
	case p.PG != nil:
		return s.neonStatus(p), sqlwire.ErrorBody(p.PG)
	case fromWire(err):
		return p.Status, sqlwire.ErrorBody(err)
	}
	body := sqlwire.ErrorFields{Message: sentence(p), Code: p.Code}
	status := s.neonStatus(p)
	if status != p.Status || isOurLogin(p) {
		body.Code, body.Severity = neonCode(p), "FATAL"
	}
	return status, body
}

// sentence is the problem in one text, for a body that has no title.
func sentence(p router.Problem) string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Title + ". " + p.Detail
}

// fromWire reports whether err is sqlwire's own, whose form is the protocol's.
func fromWire(err error) bool {
	var tooLarge *sqlwire.TooLargeError
	return isBadRequest(err) || errors.As(err, &tooLarge) || errors.Is(err, sqlwire.ErrCopy)
}

// neonStatus is the problem's status, or 400 where sql.errors asks for one
// that the client parses.
func (s *Server) neonStatus(p router.Problem) int {
	switch p.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if s.cfg.SQL.Errors == ErrorsNeon {
			return http.StatusBadRequest
		}
	}
	return p.Status
}

// neonCode is the SQLSTATE nearest to the problem: exhaustion is
// too_many_connections, an outage cannot_connect_now, and neither is the other.
func neonCode(p router.Problem) string {
	switch {
	case p.Status == http.StatusGatewayTimeout:
		return "57014"
	case p.Status == http.StatusTooManyRequests, p.Code == "capacity":
		return "53300"
	case len(p.Code) == 5 && !isOurLogin(p): // an SQLSTATE already
		return p.Code
	default:
		return "57P03"
	}
}

// isOurLogin reports whether PostgreSQL refused the login that we keep for the
// tenant. That is an outage; in a dialect where 28P01 means that the client's
// own credential is wrong, it must not look like one.
func isOurLogin(p router.Problem) bool { return strings.HasPrefix(p.Code, "28") }

func writeNeon(c *gin.Context, status int, retry time.Duration, body sqlwire.ErrorFields) {
	text, err := body.MarshalJSON()
	if err != nil { // unreachable: the body has texts only
		text = []byte("{}")
	}
	if retry > 0 {
		c.Writer.Header().Set("Retry-After", strconv.FormatInt(int64((retry+time.Second-1)/time.Second), 10))
	}
	writeJSON(c, status, json.RawMessage(text))
}

// userOf returns the user of a connection string, as much of it as can be
// one; "" when there is none. It never fails: what it is called for is a
// refusal already.
func userOf(connection string) string {
	_, rest, _ := strings.Cut(connection, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return ""
	}
	user, _, _ := strings.Cut(rest[:at], ":")
	if decoded, err := url.PathUnescape(user); err == nil {
		user = decoded
	}
	return clip(strings.ToValidUTF8(user, "\uFFFD"), maxUser)
}

// clip shortens s to at most n bytes, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// writeJSON answers with v, which must be made of what JSON can say.
func writeJSON(c *gin.Context, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // a mistake in this package, for recovery
	}
	h := c.Writer.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	c.Writer.WriteHeader(status)
	c.Writer.WriteHeaderNow()
	if c.Request.Method != http.MethodHead {
		_, _ = c.Writer.Write(text) // nobody can be told of a client that does not read
	}
}
