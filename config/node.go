package config

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/poolkeeper/poolkeeper/registry"
)

// An entry is one key of a mapping.
type entry struct {
	key   string
	line  int
	value *yaml.Node
}

// document parses the text and returns its mapping, nil when it is empty. The
// error is a Problem: of what is not YAML nothing else can be said.
func (l *loading) document(data []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) || (err == nil && len(doc.Content) == 0) {
		return nil, nil
	}
	if err != nil {
		return nil, l.syntax(err)
	}
	if err := decoder.Decode(&second); err == nil {
		return nil, l.fatal(second.Line, "a second document begins here; write one document, without ---")
	} else if !errors.Is(err, io.EOF) {
		return nil, l.syntax(err)
	}
	root := deref(doc.Content[0])
	switch {
	case root.Kind == yaml.ScalarNode && root.Tag == "!!null":
		return nil, nil
	case root.Kind != yaml.MappingNode:
		return nil, l.fatal(root.Line, "the file must be a mapping: sections such as server: and clusters:")
	}
	return root, nil
}

// syntax turns the parser's error into a problem with its line.
func (l *loading) syntax(err error) error {
	return l.fatal(registry.Syntax(err))
}

func (l *loading) fatal(line int, message string) error {
	return Problems{{File: l.config.path, Line: line, Message: message}}
}

// entries reads a mapping strictly: each key once and, where keys are given,
// only those. path is "" for the file itself.
func (l *loading) entries(node *yaml.Node, path string, keys []string) []entry {
	node = deref(node)
	if node.Kind != yaml.MappingNode {
		l.problem(node.Line, path, "must be a mapping, with a line of its own for each key")
		return nil
	}
	var out []entry
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		e := entry{key: key.Value, line: key.Line, value: deref(node.Content[i+1])}
		switch first, twice := seen[e.key]; {
		case twice:
			l.problem(e.line, join(path, e.key), "is given twice; the first is on line %d", first)
		case keys != nil && !slices.Contains(keys, e.key):
			l.problem(e.line, join(path, e.key), "is no setting; %s", registry.Nearest(e.key, keys))
		default:
			out = append(out, e)
		}
		seen[e.key] = e.line
	}
	return out
}

// deref follows an alias to what it stands for.
func deref(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
