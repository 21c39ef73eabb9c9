package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
)

// trail is what becomes known of a request on its way, for its line in the
// log and its Server-Timing. One goroutine writes it: the handler's.
type trail struct {
	id     string // the request's
	trace  trace
	tenant registry.ID // zero until resolved
	about  registry.ID // whom an operator's request is about, zero for nobody
	key    string      // the public id of the API key, "" without one
	actor  string      // the name of an operator's token or certificate, "" without one
	rows   int64
	code   string // of the problem, "" without one
	err    error  // behind the problem

	resolve, pool, db time.Duration
}

type trailKey struct{}

// trailOf returns the request's trail, which observe put there.
func trailOf(c *gin.Context) *trail { return c.MustGet(trailKey{}).(*trail) }

// observe is the outermost handler: it names the request, and reports it when
// everything else is done.
func (s *Server) observe(c *gin.Context) {
	began := time.Now()
	t := &trail{id: requestID(c.Request.Header.Get("X-Request-Id")), trace: continued(c.Request.Header.Get("Traceparent"))}
	c.Set(trailKey{}, t)
	h := c.Writer.Header()
	h.Set("X-Request-Id", t.id)
	if t.trace.known() {
		h.Set("Traceparent", t.trace.String())
	}
	if s.cfg.HSTS > 0 && c.Request.TLS != nil {
		h.Set("Strict-Transport-Security", "max-age="+strconv.FormatInt(int64(s.cfg.HSTS/time.Second), 10))
	}
	defer func() { s.report(c, t, time.Since(began)) }()
	c.Next()
}

func (s *Server) report(c *gin.Context, t *trail, took time.Duration) {
	route, method, status := routeOf(c), methodOf(c.Request.Method), c.Writer.Status()
	s.observer.HTTP(route, method, status, took)
	ctx, level := c.Request.Context(), levelOf(route, method, status)
	if level == slog.LevelWarn && !s.loud.take(t.code) {
		level = slog.LevelInfo
	}
	if !s.log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 14)
	attrs = append(attrs,
		slog.String("request_id", t.id), slog.String("method", method), slog.String("route", route),
		slog.Int("status", status), slog.Duration("duration", took), slog.Int("bytes", max(c.Writer.Size(), 0)))
	attrs = t.appendTo(attrs)
	if status >= http.StatusBadRequest && t.tenant.IsZero() && t.actor == "" { // nobody known has asked
		attrs = append(attrs, slog.String("peer", peerOf(c.Request)))
	}
	if text := loggable(t.err); text != "" {
		attrs = append(attrs, slog.String("error", redacted(c.Request, text)))
	}
	s.log.LogAttrs(ctx, level, "request", attrs...)
}

// appendTo adds what only some requests have.
func (t *trail) appendTo(attrs []slog.Attr) []slog.Attr {
	if t.trace.known() {
		attrs = append(attrs, slog.String("trace_id", t.trace.traceID()))
	}
	if !t.tenant.IsZero() {
		attrs = append(attrs, slog.String("tenant", t.tenant.String()), slog.Int64("rows", t.rows))
	}
	if !t.about.IsZero() {
		attrs = append(attrs, slog.String("tenant", t.about.String()))
	}
	if t.key != "" {
		attrs = append(attrs, slog.String("key", t.key))
	}
	if t.actor != "" {
		attrs = append(attrs, slog.String("actor", t.actor))
	}
	if t.code != "" {
		attrs = append(attrs, slog.String("code", t.code))
	}
	return attrs
}

// loggable is the text of err as far as it may stand in a log. What
// PostgreSQL says of a statement quotes parameters and rows, so of that only
// the code is told; what the client sent is not repeated either.
func loggable(err error) string {
	var statement *statementError
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &statement) && errors.As(err, &pg):
		return "postgres " + pg.Severity + " " + pg.Code
	case isBadRequest(err):
		return "bad request"
	case errors.Is(err, context.Canceled):
		return "client went away"
	default:
		return err.Error()
	}
}

// routeOf is the pattern of the route, so that there are as many as in
// routes.go and one more.
func routeOf(c *gin.Context) string {
	if path := c.FullPath(); path != "" {
		return path
	}
	return "unmatched"
}

func methodOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "other"
	}
}

// peerOf is the address that a request came from: who stands in front, where
// something does.
func peerOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr // a socket of another kind
	}
	return host
}

// levelOf keeps the questions of machines out of sight, and brings what is
// wrong with the server or a database into it. A tenant or an address at its
// own limit is neither. Warnings stand out once in a while; see occasions.
func levelOf(route, method string, status int) slog.Level {
	switch {
	case status == http.StatusInternalServerError:
		return slog.LevelError
	case strings.HasSuffix(route, "/livez"), strings.HasSuffix(route, "/readyz"), route == "/metrics", method == http.MethodOptions:
		return slog.LevelDebug
	case status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}
