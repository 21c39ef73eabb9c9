package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
)

// Exit codes of the operators' commands, besides those of every command.
const (
	exitPartly   = 3 // done for some tenants, and not for others
	exitUnknown  = 4 // there is no such tenant, operation, pool or cluster
	exitConflict = 5 // the state of things does not allow it, or has changed meanwhile
)

// An exitError ends the program with an exit code of its own.
type exitError struct {
	code int
	error
}

func (e exitError) Unwrap() error { return e.error }

// coded gives an error its exit code, and those of the client the words of
// somebody at a terminal.
func (c *console) coded(err error) error {
	if _, done := errors.AsType[exitError](err); done || err == nil {
		return err
	}
	if problem, ok := errors.AsType[*adminapi.ProblemError](err); ok {
		return exitError{codeOf(problem), problem}
	}
	switch {
	case errors.Is(err, adminapi.ErrUnreachable):
		return exitError{exitFailed, fmt.Errorf("%s. Is \"poolkeeper serve\" running there? --server names another address, --direct needs none", sentence(err))}
	case errors.Is(err, adminapi.ErrForeign):
		return exitError{exitFailed, fmt.Errorf("%s; --server must name the admin API", sentence(err))}
	}
	return err
}

// sentence is an error of the client without the package's name.
func sentence(err error) string { return strings.TrimPrefix(err.Error(), "adminapi: ") }

func codeOf(p *adminapi.ProblemError) int {
	switch {
	case p.Status == http.StatusNotFound || strings.HasSuffix(p.Code, "_unknown"):
		return exitUnknown
	case p.Status == http.StatusConflict && p.Code != "cancelled" || p.Status == http.StatusPreconditionFailed:
		return exitConflict
	case slices.Contains([]string{"name_taken", "tenant_exists", "declared", "state", "busy", "stale", "no_control"}, p.Code):
		return exitConflict
	default:
		return exitFailed
	}
}

// isTerminal reports whether somebody sits at the other end.
func isTerminal(stream any) bool {
	file, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(file.Fd())) //nolint:gosec // descriptors are small
}

// printJSON prints the API's JSON: indented for people, else on one line.
func (c *console) printJSON(text json.RawMessage) error {
	var b bytes.Buffer
	var err error
	if isTerminal(c.app.Stdout) {
		err = json.Indent(&b, text, "", "  ")
	} else {
		err = json.Compact(&b, text)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", adminapi.ErrForeign, err)
	}
	b.WriteByte('\n')
	_, err = b.WriteTo(c.app.Stdout)
	return err
}

// printValue is printJSON for what was put together here.
func (c *console) printValue(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return c.printJSON(text)
}

// say prints a line for people.
func (c *console) say(format string, args ...any) {
	fmt.Fprintf(c.app.Stdout, format+"\n", args...)
}

// note prints a line that is no part of the output.
func (c *console) note(format string, args ...any) {
	fmt.Fprintf(c.app.Stderr, format+"\n", args...)
}

// table aligns columns.
type table struct{ w *tabwriter.Writer }

func (c *console) table(header ...string) table { return newTable(c.app.Stdout, header...) }

func newTable(out io.Writer, header ...string) table {
	t := table{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	if len(header) > 0 {
		t.row(header...)
	}
	return t
}

// row adds a line. An empty cell is a hyphen, so that every line has as many
// fields; what could move a terminal's cursor is taken out.
func (t table) row(cells ...string) {
	for i, cell := range cells {
		if cells[i] = printable(cell); cell == "" {
			cells[i] = "-"
		}
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

func (t table) end() error { return t.w.Flush() }

// printable takes out of a text of others what a terminal would obey.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// number shows a count in a table, and nothing for zero.
func number[N int | int64 | uint64](n N) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(int64(n), 10) //nolint:gosec // versions are small
}

// moment shows a time of a table, in the local zone and short.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// Signs of a change, as tools for infrastructure print them.
const (
	signAdd    = "+"
	signChange = "~"
	signRemove = "-"
)

// sign colors one of them when somebody sits there who wants colors.
func (c *console) sign(sign string) string {
	if c.noColor || c.app.getenv("NO_COLOR") != "" || c.app.getenv("TERM") == "dumb" || !isTerminal(c.app.Stdout) {
		return sign
	}
	color := map[string]string{signAdd: "32", signChange: "33", signRemove: "31"}[sign]
	return "\x1b[" + color + "m" + sign + "\x1b[0m"
}
