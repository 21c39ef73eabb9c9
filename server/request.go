package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

const (
	headerTimeout = "X-Request-Timeout"
	mediaNDJSON   = "application/x-ndjson"
	// bodyStart is how much is set aside for a body on the word of its
	// Content-Length alone.
	bodyStart = 64 << 10
	// hearMost is the longest body that is too large and taken all the same.
	hearMost = 32 << 20
	// limitGrace lets PostgreSQL's own statement_timeout, whose error says
	// more, come before ours.
	limitGrace = 500 * time.Millisecond
)

// job is what a request asks for.
type job struct {
	request sqlwire.Request
	options sqlwire.Options
	stream  bool
}

// read reads and understands the request. Its errors are the client's fault.
func (s *Server) read(c *gin.Context, l registry.Limits) (job, error) {
	options, err := sqlwire.ParseOptions(c.Request.Header)
	if err != nil {
		return job{}, err
	}
	body, err := s.readBody(c, narrower(l.MaxBody, s.cfg.SQL.MaxBody))
	if err != nil {
		return job{}, err
	}
	request, err := sqlwire.Decode(body)
	if err != nil {
		return job{}, err
	}
	j := job{request: request, options: options, stream: wantsStream(c.Request.Header)}
	if j.stream && request.Batch {
		return job{}, &sqlwire.BadRequestError{Message: "a batch cannot be streamed; ask for application/json, or send one query"}
	}
	return j, nil
}

// narrower is a tenant's own limit below the one for all; 0 is none.
func narrower(own, ceiling int64) int64 {
	if own <= 0 {
		return ceiling
	}
	return min(own, ceiling)
}

// readBody reads the whole body, of at most limit bytes. From its end on, net/http listens for the
// client's departure, which ends the request's context, and read_timeout no
// longer counts.
func (s *Server) readBody(c *gin.Context, limit int64) ([]byte, error) {
	r := c.Request
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, errEncoding
	}
	if r.ContentLength > limit {
		hearOut(r)
		return nil, &http.MaxBytesError{Limit: limit}
	}
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), bodyStart)) + bytes.MinRead)
	if _, err := body.ReadFrom(http.MaxBytesReader(c.Writer, r.Body, limit)); err != nil {
		err = bodyError(err)
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			hearOut(r)
		}
		return nil, err
	}
	return body.Bytes(), nil
}

// hearOut takes the rest of a body that is too large, and throws it away. Many
// clients of HTTP/1 read nothing before they have sent all; where the connection
// ends meanwhile, they see a network that fails, and not the answer. Over HTTP/2
// it comes beside the body, and who waits for a word (Expect) sends none.
func hearOut(r *http.Request) {
	if r.ProtoMajor == 1 && r.ContentLength <= hearMost && r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, r.Body, hearMost) // whatever comes of it, the answer is the same
	}
}

func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return tooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errBodySlow
	default:
		return errBodyLost
	}
}

// setDeadline bounds the request's context by sql.timeout, or by less when
// the client asks for less. It is for requests whose tenant is known: a client's
// deadline for the lookup would tell which ids are looked up at all, and which
// are cached.
func (s *Server) setDeadline(c *gin.Context) (context.CancelFunc, error) {
	timeout := s.cfg.SQL.Timeout
	if text := c.Request.Header.Get(headerTimeout); text != "" {
		asked, err := parseTimeout(text)
		if err != nil {
			return nil, err
		}
		timeout = min(timeout, asked)
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), timeout)
	c.Request = c.Request.WithContext(ctx)
	return cancel, nil
}

// parseTimeout reads seconds ("2.5") or a duration ("250ms").
func parseTimeout(text string) (time.Duration, error) {
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	switch {
	case seconds >= math.MaxInt64/float64(time.Second): // infinity too, with an error
		return math.MaxInt64, nil
	case err == nil && seconds > 0:
		return max(time.Duration(seconds*float64(time.Second)), 1), nil
	default:
		return 0, &sqlwire.BadRequestError{Message: headerTimeout + " must be a positive number of seconds, such as 2.5, or a duration such as 250ms"}
	}
}

// limitStatements narrows the request's context to what the tenant's own
// statement timeout allows for n statements. SQL can lift that timeout at the
// database; it cannot lift this.
func limitStatements(c *gin.Context, l registry.Limits, n int) context.CancelFunc {
	if l.StatementTimeout <= 0 || n == 0 || l.StatementTimeout > math.MaxInt64/time.Duration(n)-limitGrace {
		return func() {}
	}
	request := c.Request
	ctx, cancel := context.WithTimeout(request.Context(), l.StatementTimeout*time.Duration(n)+limitGrace)
	c.Request = request.WithContext(ctx)
	return func() {
		if ctx.Err() == nil {
			c.Request = request // whoever judges an error must not take the cancel below for the client's departure
		}
		cancel()
	}
}

// wantsStream reports whether the client names NDJSON and does not prefer JSON.
// Whoever weighs both the same wants NDJSON: JSON needs no header.
func wantsStream(h http.Header) bool {
	stream, plain := 0.0, 0.0
	narrowest := 0 // of the ranges that JSON is in, the narrowest counts
	for _, line := range h.Values("Accept") {
		for entry := range strings.SplitSeq(line, ",") {
			media, params, err := mime.ParseMediaType(entry)
			if err != nil {
				continue
			}
			if media == mediaNDJSON {
				stream = max(stream, weightOf(params))
			} else if fit := fitsJSON(media); fit > 0 && fit >= narrowest {
				narrowest, plain = fit, weightOf(params)
			}
		}
	}
	return stream > 0 && stream >= plain
}

// fitsJSON says how narrowly a media range fits JSON; 0 when it does not.
func fitsJSON(media string) int {
	switch media {
	case "application/json":
		return 3
	case "application/*":
		return 2
	case "*/*":
		return 1
	default:
		return 0
	}
}

// weightOf is a media range's q, from 0 to 1, and 1 when none can be read.
func weightOf(params map[string]string) float64 {
	q, err := strconv.ParseFloat(params["q"], 64)
	if err != nil || math.IsNaN(q) {
		return 1
	}
	return min(max(q, 0), 1)
}

// wallOf refuses what the record alone shows to be without a wall; whether
// there really is one, the connection tells.
func wallOf(t *registry.Tenant) error {
	switch {
	case t.Isolation == registry.IsolationRow:
		return fmt.Errorf("%w: row isolation separates tenants by a setting that SQL can change; give the tenant a schema and a login of its own (isolation: schema), or a database (isolation: database)", pools.ErrNotWalled)
	case t.SharedLogin:
		return fmt.Errorf("%w: its login is shared, so SQL could name another tenant's tables; give the tenant a login of its own (login and password in its record)", pools.ErrNotWalled)
	default:
		return nil
	}
}

func isBadRequest(err error) bool {
	var bad *sqlwire.BadRequestError
	return errors.As(err, &bad)
}
