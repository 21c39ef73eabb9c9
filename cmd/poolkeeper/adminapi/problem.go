package adminapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

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
	// Problems are what is wrong with a file, when Code is invalid_file.
	Problems []FileProblem
}

// FileProblem is one thing that is wrong with a file. Line counts from 1 and
// is 0 when no line can be named.
type FileProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

// String is the problem as compilers write theirs.
func (p FileProblem) String() string {
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

// Error is the detail, after the title where both are there.
func (e *ProblemError) Error() string {
	text := cmp.Or(e.Title, e.Code, "refused")
	if e.Detail != "" && e.Title != "" {
		text += ": " + e.Detail
	} else if e.Detail != "" {
		text = e.Detail
	}
	for _, p := range e.Problems {
		text += "\n" + p.String()
	}
	return text
}

// problemWire is the problem with the members that only some have.
type problemWire struct {
	adminwire.Problem
	Operation *adminwire.Operation `json:"operation"`
	Problems  []FileProblem        `json:"problems"`
}

// maxProblem bounds what is read of a refusal, in bytes.
const maxProblem = 4 << 20

// refused reads why the server refused. What is no problem comes from
// something in between, or from another program.
func (c *Client) refused(resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	var wire problemWire
	if err != nil || json.Unmarshal(text, &wire) != nil || wire.Code == "" {
		return fmt.Errorf("%w: %s answers with status %d", ErrForeign, c.base.Redacted(), resp.StatusCode)
	}
	problem := &ProblemError{
		Status: resp.StatusCode, Code: wire.Code, Title: wire.Title, Detail: wire.Detail, Problems: wire.Problems,
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
