package metrics_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A matching says which labels the sides of an operator have in common; the
// zero one says all.
type matching struct {
	word      string // on or ignoring
	labels    labels
	groupLeft bool
}

func (p *promql) matching() (matching, error) {
	var m matching
	if p.peek() != "on" && p.peek() != "ignoring" {
		return m, nil
	}
	m.word = p.next()
	var err error
	m.labels, err = p.names()
	if p.peek() == "group_left" {
		p.next()
		m.groupLeft = true
	}
	return m, err
}

// compared are the labels of a side that the operator compares.
func (m matching) compared(side labels) labels {
	kept := labels{}
	for name := range side {
		if m.word == "" || m.labels[name] == (m.word == "on") {
			kept[name] = true
		}
	}
	return kept
}

// join returns the labels of the result of left operator right.
func (m matching) join(left labels, operator string, right labels) (labels, error) {
	switch {
	case left == nil:
		return right, nil
	case right == nil:
		return left, nil
	case !maps.Equal(m.compared(left), m.compared(right)):
		return nil, fmt.Errorf("%v %s %s %v: the sides have different labels", left, operator, m.word, right)
	case m.word == "ignoring" && !maps.Equal(m.compared(right), right):
		return nil, fmt.Errorf("%v %s %v: the right side must lack what is ignored", left, operator, right)
	case m.word == "" || m.groupLeft || slices.Contains([]string{"and", "or", "unless", ">", "<", ">=", "<=", "==", "!="}, operator):
		return left, nil
	default:
		return m.compared(left), nil
	}
}

func (p *promql) selector(name string) (labels, error) {
	known, ok := p.series[name]
	if !ok {
		return nil, fmt.Errorf("no series is called %s", name)
	}
	if p.peek() == "{" {
		if err := p.matchers(name, known); err != nil {
			return nil, err
		}
	}
	if p.peek() == "[" {
		p.next()
		if d := p.next(); !durationRE.MatchString(d) {
			return nil, fmt.Errorf("%q is no duration", d)
		}
		if err := p.want("]"); err != nil {
			return nil, err
		}
	}
	result := labels{}
	for label := range known {
		result[label] = true
	}
	return result, nil
}

func (p *promql) matchers(name string, known map[string]map[string]bool) error {
	p.next()
	for p.peek() != "}" {
		label, operator, value := p.next(), p.next(), p.next()
		if !slices.Contains([]string{"=", "!=", "=~", "!~"}, operator) || !strings.HasPrefix(value, `"`) {
			return fmt.Errorf("%s %s %s is no matcher", label, operator, value)
		}
		values, ok := known[label]
		if !ok {
			return fmt.Errorf("%s has no label %s", name, label)
		}
		if err := matches(strings.Trim(value, `"`), operator, values); err != nil {
			return fmt.Errorf("%s{%s}: %w", name, label, err)
		}
		if p.peek() == "," {
			p.next()
		}
	}
	p.next()
	return nil
}

// matches checks that some series has each value that is written out. The
// value of a variable is the reader's choice.
func matches(value, operator string, values map[string]bool) error {
	if strings.HasPrefix(value, "$") {
		if operator != "=~" && operator != "!~" {
			return fmt.Errorf("%s may be several values, which needs =~", value)
		}
		return nil
	}
	alternatives := []string{value}
	if strings.HasSuffix(operator, "~") {
		alternatives = strings.Split(value, "|")
	}
	for _, one := range alternatives {
		if !values[one] {
			return fmt.Errorf("no series has %q, only %v", one, slices.Sorted(maps.Keys(values)))
		}
	}
	return nil
}
