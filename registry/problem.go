package registry

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Problem is one thing that is wrong with the records.
type Problem struct {
	// File is the file's path, "" for records that came from code.
	File string
	// Line counts from 1; 0 means that no line can be named.
	Line int
	// Field is the path of the value, for example "tenants.acme.schema".
	Field string
	// Message says what is wrong and what would be right. It never contains
	// a secret.
	Message string
}

// Error gives "file:line: field: message".
func (p *Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(position{p.File, p.Line}.String() + ": ")
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Problems are all that was found, by file and line. It is the error of
// [Parse] and of everything that takes records.
type Problems []*Problem

// maxProblemsShown keeps one bad plan of ten thousand tenants readable.
const maxProblemsShown = 50

// Error gives each problem a line, and stops after fifty with their number.
func (p Problems) Error() string {
	var lines []string
	for _, problem := range p[:min(len(p), maxProblemsShown)] {
		lines = append(lines, problem.Error())
	}
	if more := len(p) - maxProblemsShown; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives every single problem to errors.As.
func (p Problems) Unwrap() []error {
	all := make([]error, len(p))
	for i, problem := range p {
		all[i] = problem
	}
	return all
}

func (p *Problems) add(at position, field, format string, args ...any) {
	*p = append(*p, &Problem{
		File: at.file, Line: at.line, Field: field, Message: fmt.Sprintf(format, args...),
	})
}

// sorted returns the problems as an error, nil when there are none.
func (p Problems) sorted() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return p
}

// position is a place in a file; the zero position is none.
type position struct {
	file string
	line int
}

func (p position) String() string {
	if p.line == 0 {
		return p.file
	}
	return p.file + ":" + strconv.Itoa(p.line)
}

// from names p for a reader who is looking at other.
func (p position) from(other position) string {
	switch {
	case p.line == 0, p == other:
		return ""
	case p.file == other.file:
		return " (line " + strconv.Itoa(p.line) + ")"
	default:
		return " (" + p.String() + ")"
	}
}
