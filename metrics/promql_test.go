package metrics_test

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A promql parses the part of PromQL that the dashboards use, and follows the
// labels through it. What it does not know is an error: a dashboard that
// needs more of the language teaches it here first.
//
//	expr     = term { operator [ matching ] term }
//	matching = ( "on" | "ignoring" ) "(" labels ")" [ "group_left" ]
//	term     = number | "time()" | "(" expr ")" | function "(" args ")" | selector
//	         | aggregation [ ( "by" | "without" ) "(" labels ")" ] "(" args ")"
//	selector = metric [ "{" matchers "}" ] [ "[" duration "]" ]
type promql struct {
	tokens []string
	series catalogue
}

// A catalogue holds, for each series name, the values of each label.
type catalogue map[string]map[string]map[string]bool

// labels is a set of label names; nil is that of a number.
type labels map[string]bool

var (
	tokenRE      = regexp.MustCompile(`\s*("(?:[^"\\]|\\.)*"|[A-Za-z_:][A-Za-z0-9_:]*|[0-9.]+(?:e[+-]?[0-9]+)?[smhd]?|\$[a-z_]+|=~|!~|!=|>=|<=|==|[-+*/><=(){}\[\],])`)
	nameRE       = regexp.MustCompile(`^[A-Za-z_:][A-Za-z0-9_:]*$`)
	numberRE     = regexp.MustCompile(`^[0-9.]+(e[+-]?[0-9]+)?$`)
	durationRE   = regexp.MustCompile(`^([0-9]+[smhd]|\$__rate_interval|\$__range|\$__interval)$`)
	aggregations = []string{"sum", "max", "min", "avg", "count", "topk", "bottomk"}
	functions    = []string{"rate", "increase", "histogram_quantile", "clamp_min", "abs"}
	operators    = []string{"+", "-", "*", "/", ">", "<", ">=", "<=", "==", "!=", "or", "and", "unless"}
)

// parse returns the labels that the query's result has.
func (c catalogue) parse(query string) (labels, error) {
	p := &promql{series: c}
	for rest := strings.TrimSpace(query); rest != ""; {
		m := tokenRE.FindStringSubmatchIndex(rest)
		if m == nil || m[0] != 0 {
			return nil, fmt.Errorf("cannot read %q", rest)
		}
		p.tokens = append(p.tokens, rest[m[2]:m[3]])
		rest = strings.TrimSpace(rest[m[1]:])
	}
	result, err := p.expr()
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("%q is left over", p.tokens)
	}
	return result, err
}

func (p *promql) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *promql) next() string {
	token := p.peek()
	if token != "" {
		p.tokens = p.tokens[1:]
	}
	return token
}

func (p *promql) want(token string) error {
	if got := p.next(); got != token {
		return fmt.Errorf("%q where %q belongs", got, token)
	}
	return nil
}

func (p *promql) expr() (labels, error) {
	left, err := p.term()
	for err == nil && slices.Contains(operators, p.peek()) {
		operator := p.next()
		var m matching
		var right labels
		if m, err = p.matching(); err != nil {
			break
		}
		if right, err = p.term(); err != nil {
			break
		}
		if left, err = m.join(left, operator, right); err != nil {
			break
		}
	}
	return left, err
}

func (p *promql) term() (labels, error) {
	switch token := p.next(); {
	case token == "(":
		inner, err := p.expr()
		if err != nil {
			return nil, err
		}
		return inner, p.want(")")
	case numberRE.MatchString(token):
		return nil, nil
	case token == "time":
		return nil, cmp.Or(p.want("("), p.want(")"))
	case slices.Contains(aggregations, token):
		return p.aggregation(token)
	case slices.Contains(functions, token):
		return p.function(token)
	case nameRE.MatchString(token):
		return p.selector(token)
	default:
		return nil, fmt.Errorf("%q begins no expression", token)
	}
}

func (p *promql) aggregation(name string) (labels, error) {
	by, without := labels{}, false
	if p.peek() == "by" || p.peek() == "without" {
		without = p.next() == "without"
		var err error
		if by, err = p.names(); err != nil {
			return nil, err
		}
	}
	inner, err := p.args()
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(name, "k") { // topk and bottomk keep the labels
		return inner, nil
	}
	for label := range by {
		if !inner[label] {
			return nil, fmt.Errorf("%s (%s): there are only %v", name, label, slices.Sorted(maps.Keys(inner)))
		}
	}
	if !without {
		return by, nil
	}
	rest := maps.Clone(inner)
	maps.DeleteFunc(rest, func(label string, _ bool) bool { return by[label] })
	return rest, nil
}

// names reads a list of labels in parentheses.
func (p *promql) names() (labels, error) {
	if err := p.want("("); err != nil {
		return nil, err
	}
	list := labels{}
	for p.peek() != ")" {
		name := p.next()
		if !nameRE.MatchString(name) {
			return nil, fmt.Errorf("%q is no label", name)
		}
		list[name] = true
		if p.peek() == "," {
			p.next()
		}
	}
	return list, p.want(")")
}

func (p *promql) function(name string) (labels, error) {
	inner, err := p.args()
	if err != nil || name != "histogram_quantile" {
		return inner, err
	}
	if !inner["le"] {
		return nil, fmt.Errorf("%s without le", name)
	}
	result := maps.Clone(inner)
	delete(result, "le")
	return result, nil
}

// args returns the labels of the one argument that has some.
func (p *promql) args() (labels, error) {
	if err := p.want("("); err != nil {
		return nil, err
	}
	var result labels
	for {
		inner, err := p.expr()
		if err != nil {
			return nil, err
		}
		if inner != nil {
			result = inner
		}
		if p.peek() != "," {
			return result, p.want(")")
		}
		p.next()
	}
}
