package config

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/poolkeeper/poolkeeper/registry"
)

type (
	// Problem is one thing that is wrong with the configuration: the file
	// (or "environment"), the line, the setting's path, and what would be
	// right. It never contains a secret.
	Problem = registry.Problem
	// Problems are all that was found, in the order of the lines: the error
	// of [Load].
	Problems = registry.Problems
)

// inOrder returns the problems as an error, nil when there are none.
func inOrder(p Problems) error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return p
}

// said reports whether something was said of the field already.
func (l *loading) said(field string) bool {
	return slices.ContainsFunc(l.problems, func(p *Problem) bool { return p.Field == field })
}

// tenantProblems takes over what registry found, with the lines of clusters,
// which only this package knows.
func (l *loading) tenantProblems(err error) {
	if err == nil {
		return
	}
	found, ok := errors.AsType[Problems](err)
	if !ok {
		l.problem(0, "tenants", "%v", err)
		return
	}
	var fresh Problems
	for _, p := range found {
		if p.Line == 0 {
			p.File, p.Line = l.config.path, l.lines[p.Field]
		}
		if !l.said(p.Field) || strings.HasPrefix(p.Field, "tenants.") {
			fresh = append(fresh, p)
		}
	}
	l.problems = append(l.problems, fresh...)
}
