package registry

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A pair is one key of a mapping and where it is written.
type pair struct {
	key   string
	value *yaml.Node
	at    position
}

// reader reads nodes strictly and collects what is wrong.
type reader struct {
	file     string
	problems Problems
	// flat remembers mappings that were merged, by their node: it keeps
	// anchors of anchors of anchors from being multiplied out. A nil entry
	// is a mapping that is being read right now.
	flat map[*yaml.Node][]pair
	// alike holds labels by their content: a map is the greater part of a
	// record, many tenants have the same, and records never change.
	alike map[string]map[string]string
}

// document parses the text and returns its top node, nil when it is empty or
// broken.
func (r *reader) document(data []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		if !errors.Is(err, io.EOF) {
			r.syntax(err)
		}
		return nil
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		r.problems.add(position{r.file, second.Line}, "", "a second document begins here; write one document, without ---")
		return nil
	case !errors.Is(err, io.EOF):
		r.syntax(err)
		return nil
	}
	return doc.Content[0]
}

// syntax turns the parser's error into a problem with its line.
func (r *reader) syntax(err error) {
	line, text := Syntax(err)
	r.problems.add(position{r.file, line}, "", "%s", text)
}

// Syntax says what is wrong with a text that is no YAML, by the parser's error,
// and where: a line of 0 is not known.
func Syntax(err error) (line int, message string) {
	text := err.Error()
	if m := regexp.MustCompile(`^yaml: (?:line (\d+): )?`).FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1]) // no digits, no line
		text = text[len(m[0]):]
	}
	if strings.Contains(text, "cannot start any token") {
		text += "; lines are indented with spaces, not tabs, and a text that begins with @ or ` has quotes"
	}
	return line, "this is not YAML: " + text
}

// mapping reads a mapping: each key once and, where keys are given, only
// those. Nothing at all counts as an empty mapping.
func (r *reader) mapping(node *yaml.Node, field string, keys []string) []pair {
	node = deref(node)
	if isNull(node) {
		return nil
	}
	pairs := r.pairs(node, field)
	if keys == nil {
		return pairs
	}
	return slices.DeleteFunc(pairs, func(p pair) bool {
		if slices.Contains(keys, p.key) {
			return false
		}
		r.problems.add(p.at, join(field, p.key), "is no setting; %s", Nearest(p.key, keys))
		return true
	})
}

// pairs lists the keys of a mapping, those that it merges (<<) included.
func (r *reader) pairs(node *yaml.Node, field string) []pair {
	at := position{r.file, node.Line}
	if node.Kind != yaml.MappingNode {
		r.problems.add(at, field, "must be a mapping, with a line of its own for each key")
		return nil
	}
	if known, ok := r.flat[node]; ok {
		if known == nil {
			r.problems.add(at, field, "contains itself")
		}
		return slices.Clone(known)
	}
	r.flat[node] = nil
	own := make([]pair, 0, len(node.Content)/2)
	seen := make(map[string]int, len(node.Content)/2)
	var merged []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := deref(node.Content[i])
		switch first, twice := seen[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			r.problems.add(position{r.file, key.Line}, field, "has a key that is no text")
		case key.Tag == "!!merge":
			merged = append(merged, node.Content[i+1])
		case twice:
			r.problems.add(position{r.file, key.Line}, join(field, key.Value), "is given twice; the first is on line %d", first)
		default:
			seen[key.Value] = node.Content[i].Line
			own = append(own, pair{key.Value, deref(node.Content[i+1]), position{r.file, node.Content[i].Line}})
		}
	}
	for _, m := range merged {
		own = r.merge(own, seen, m, field)
	}
	r.flat[node] = slices.Clip(own)
	return slices.Clone(own)
}

// merge adds what the value of a << key gives and own has not: a mapping, or a
// list of them of which the first wins.
func (r *reader) merge(own []pair, seen map[string]int, node *yaml.Node, field string) []pair {
	node = deref(node)
	sources := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		sources = node.Content
	}
	for _, source := range sources {
		for _, p := range r.pairs(deref(source), field) {
			if _, have := seen[p.key]; !have {
				seen[p.key] = p.at.line
				own = append(own, p)
			}
		}
	}
	return own
}

// deref follows an alias to what it stands for.
func deref(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func join(field, key string) string {
	if !isPlain(key) {
		key = quote(key)
	}
	if field == "" {
		return key
	}
	return field + "." + key
}

// isPlain reports whether a key can stand in a path as it is.
func isPlain(key string) bool {
	return key != "" && len(key) <= maxName && !slices.ContainsFunc([]byte(key), func(c byte) bool {
		return c <= ' ' || c >= 0x7f || c == '"' || c == '.'
	})
}
