package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// Load reads the file and lays the environment over it. env is a list of
// NAME=value as os.Environ gives it. The error is [Problems]: everything that
// is wrong, not just the first.
func Load(path string, env []string) (*Config, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if errors.Is(err, os.ErrNotExist) {
		return nil, Problems{{File: path, Message: "there is no such file; --config names another"}}
	}
	if failed, ok := errors.AsType[*os.PathError](err); ok {
		err = failed.Err // the problem names the file
	}
	if err != nil {
		return nil, Problems{{File: path, Message: fmt.Sprintf("cannot be read: %v", err)}}
	}
	return Parse(path, data, env)
}

// Parse is [Load] for a file that was read already. path is for messages, and
// for what the file names relative to itself.
func Parse(path string, data []byte, env []string) (*Config, error) {
	l := newLoading(path, env)
	root, err := l.document(data)
	if err != nil {
		return nil, err
	}
	if root != nil {
		l.file(root)
	}
	l.environment()
	l.assign()
	l.validate(data)
	if err := inOrder(l.problems); err != nil {
		return nil, err
	}
	return l.config, nil
}

// loading is one run of Parse.
type loading struct {
	config   *Config
	schema   *schema
	reader   reader
	layers   *viper.Viper
	lines    map[string]int // of each setting that the file gives
	problems Problems
}

func newLoading(path string, env []string) *loading {
	c := Defaults()
	c.path = path
	vars := make(map[string]string, len(env))
	for _, entry := range env {
		if name, value, ok := strings.Cut(entry, "="); ok {
			vars[name] = value
		}
	}
	l := &loading{
		config: c,
		schema: schemaOf(c),
		reader: reader{env: vars, dir: filepath.Dir(path)},
		layers: viper.New(),
		lines:  map[string]int{},
	}
	// viper forgets a variable whose key is in no lower layer: so every
	// setting has a default there, the zero ones too.
	for _, st := range l.schema.settings {
		l.layers.SetDefault(st.path, st.field.Interface())
	}
	return l
}

func (l *loading) problem(line int, field, format string, args ...any) {
	l.problems = append(l.problems, &Problem{
		File: l.config.path, Line: line, Field: field, Message: fmt.Sprintf(format, args...),
	})
}

// file reads the top-level mapping.
func (l *loading) file(root *yaml.Node) {
	given := map[string]any{}
	for _, e := range l.entries(root, "", l.topLevel()) {
		switch e.key {
		case "clusters":
			l.clusters(e.value)
		case "plans", "tenants":
			// registry reads these: case and lines matter, viper keeps neither.
		case "tenants_dir":
			l.leaf(e, "tenants_dir", given)
		default:
			l.group(e, e.key, given)
		}
	}
	if err := l.layers.MergeConfigMap(given); err != nil {
		l.problem(0, "", "%v", err)
	}
}

// topLevel are the keys that a file may have.
func (l *loading) topLevel() []string {
	keys := []string{"clusters", "plans", "tenants", "tenants_dir"}
	for _, sec := range l.config.sections() {
		keys = append(keys, sec.name)
	}
	slices.Sort(keys)
	return keys
}

// group reads one mapping of settings into the map that viper will merge.
func (l *loading) group(e entry, path string, into map[string]any) {
	if e.value.Tag == "!!null" {
		return // every line of it is a comment
	}
	l.lines[path] = e.line
	given := map[string]any{}
	for _, child := range l.entries(e.value, path, l.schema.groups[path]) {
		childPath := path + "." + child.key
		if _, isGroup := l.schema.groups[childPath]; isGroup {
			l.group(child, childPath, given)
		} else {
			l.leaf(child, childPath, given)
		}
	}
	into[e.key] = given
}

// leaf reads one setting.
func (l *loading) leaf(e entry, path string, into map[string]any) {
	var raw any
	if err := e.value.Decode(&raw); err != nil {
		l.problem(e.line, path, "cannot be read: %v", err)
		return
	}
	l.lines[path] = e.line
	value, err := l.reader.fromFile(l.schema.byPath[path].field.Type(), raw)
	if err != nil {
		l.problem(e.line, path, "%v", err)
		return
	}
	into[e.key] = value.Interface()
	l.config.origins[path] = FromFile
}

// assign gives every field what the layers say together.
func (l *loading) assign() {
	for _, st := range l.schema.settings {
		if value := l.layers.Get(st.path); value != nil {
			st.field.Set(reflect.ValueOf(value))
		}
	}
	l.config.Pools.Clusters = maps.Clone(l.config.Clusters)
}
