package config

import (
	"encoding"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/poolkeeper/poolkeeper/registry"
)

// envPrefix begins every environment variable that is a setting.
const envPrefix = "POOLKEEPER_"

// A setting is one value that a user can give: a leaf of a section's Config.
type setting struct {
	// path is the place in the file, for example "server.sql.enabled".
	path string
	// env is the variable that replaces it.
	env string
	// field is the place in the Config; it can be set.
	field reflect.Value
}

// A schema is what may be written in the file's sections: the settings in the
// order of their declaration.
type schema struct {
	settings []setting
	byPath   map[string]setting
	byEnv    map[string]setting
	// groups holds, for each mapping ("server", "server.sql"), the keys that
	// it may have.
	groups map[string][]string
}

// schemaOf walks the sections of c. The settings point into c: setting them
// changes it.
func schemaOf(c *Config) *schema {
	s := newSchema()
	for _, sec := range c.sections() {
		s.add(sec.name, reflect.ValueOf(sec.config).Elem())
	}
	s.addLeaf("", "tenants_dir", reflect.ValueOf(&c.TenantsDir).Elem())
	return s
}

func newSchema() *schema {
	return &schema{
		byPath: map[string]setting{},
		byEnv:  map[string]setting{},
		groups: map[string][]string{},
	}
}

// add walks the fields of a struct.
func (s *schema) add(path string, v reflect.Value) {
	s.groups[path] = nil
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := keyOf(f)
		if !f.IsExported() || name == "-" {
			continue
		}
		switch {
		case isLeaf(f.Type):
			s.addLeaf(path, name, v.Field(i))
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			s.add(path, v.Field(i))
		case f.Type.Kind() == reflect.Struct:
			s.groups[path] = append(s.groups[path], name)
			s.add(path+"."+name, v.Field(i))
		default:
			// Hooks, loggers and the clusters: code fills them.
		}
	}
}

func (s *schema) addLeaf(group, name string, field reflect.Value) {
	path := join(group, name)
	st := setting{path: path, env: envName(path), field: field}
	s.groups[group] = append(s.groups[group], name)
	s.settings = append(s.settings, st)
	s.byPath[path] = st
	s.byEnv[st.env] = st
}

func envName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// keyOf is the key of a field: its yaml tag, or its name in snake case.
func keyOf(f reflect.StructField) string {
	if tag, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); tag != "" {
		return tag
	}
	return snake(f.Name)
}

// snake turns a Go name into a key: MaxPools into max_pools, NegativeTTL into
// negative_ttl, SQLPath into sql_path.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) {
			word := unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1])
			initialismEnds := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if word || initialismEnds {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func secretType() reflect.Type   { return reflect.TypeFor[registry.Secret]() }
func durationType() reflect.Type { return reflect.TypeFor[time.Duration]() }
func textType() reflect.Type     { return reflect.TypeFor[encoding.TextUnmarshaler]() }

// isLeaf reports whether a value of the type is written as one scalar, or as
// a list of scalars.
func isLeaf(t reflect.Type) bool {
	if t.Kind() == reflect.Slice && !isText(t) {
		return isScalar(t.Elem())
	}
	return isScalar(t)
}

func isScalar(t reflect.Type) bool {
	if t == secretType() || isText(t) {
		return true
	}
	switch t.Kind() { //nolint:exhaustive // the other kinds are no scalars
	case reflect.String, reflect.Bool, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	default:
		return false
	}
}

func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textType()) }
