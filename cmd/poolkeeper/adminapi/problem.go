package adminapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// ProblemError is what the server refused, or an operation that failed.
type ProblemError struct {
	// Status is that of HTTP; 0 when an operation failed that was followed.
	Status int
	// Code says why, for programs.
	Code string
	// Title and Detail say it for people; either may be empty.
	Title, Detail string
	// Operation is the id of the operation that failed, "" for none.
	Operation string
	// RequestID is what the server's log knows the request by.
	RequestID string
	// Problems are what is wrong with a file, when Code is invalid_file.
	Problems []adminwire.FileProblem
}

// lineOf is a problem of a file as compilers write theirs.
func lineOf(p adminwire.FileProblem) string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ":")
	}
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:", p.Line)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	return b.String() + p.Message
}

// Error is the title and the detail, and a line for each problem of a file.
func (e *ProblemError) Error() string {
	text := e.Detail
	if e.Title != "" || text == "" {
		text = joined(cmp.Or(e.Title, e.Code, "refused"), e.Detail)
	}
	if e.Status >= http.StatusInternalServerError && e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	for _, p := range e.Problems {
		text += "\n" + lineOf(p)
	}
	return text
}

// joined has one sentence after the other, or the particulars after a colon.
func joined(title, detail string) string {
	if detail == "" {
		return title
	}
	if first, _ := utf8.DecodeRuneInString(detail); unicode.IsUpper(first) {
		return title + ". " + detail
	}
	return title + ": " + detail
}

// wantsTLS begins what Go's servers answer to plain HTTP where they speak TLS.
const wantsTLS = "Client sent an HTTP request to an HTTPS server"

// maxProblem bounds what is read of a refusal, in bytes.
const maxProblem = 4 << 20

// refused reads why the server refused. What is no problem comes from
// something in between, or from another program.
func (c *Client) refused(resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if bytes.HasPrefix(text, []byte(wantsTLS)) {
		return fmt.Errorf("%w: %s speaks TLS, and its URL begins with https://", ErrForeign, c.base.Redacted())
	}
	var wire adminwire.Problem
	if err != nil || json.Unmarshal(text, &wire) != nil || wire.Code == "" {
		return fmt.Errorf("%w: %s answers with status %d", ErrForeign, c.base.Redacted(), resp.StatusCode)
	}
	problem := &ProblemError{
		Status: resp.StatusCode, Code: wire.Code, Title: wire.Title, Detail: wire.Detail,
		RequestID: wire.RequestID, Problems: wire.Problems,
	}
	if wire.Operation != nil {
		problem.Operation = wire.Operation.ID
	}
	return problem
}

// Failure is the error of an operation that has ended, nil when it went well.
func Failure(op adminwire.Operation) error {
	if op.State == StateDone {
		return nil
	}
	return &ProblemError{Code: op.Code, Detail: cmp.Or(op.Error, "the operation is "+op.State), Operation: op.ID}
}
