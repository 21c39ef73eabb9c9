package config

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/poolkeeper/poolkeeper/registry"
)

// SettingInfo is a setting as tests look at it.
type SettingInfo struct {
	Path, Env string
	Type      reflect.Type
	// Default is the value of Defaults.
	Default any
}

// AllSettings lists every setting there is.
func AllSettings() []SettingInfo {
	var all []SettingInfo
	for _, st := range schemaOf(Defaults()).settings {
		all = append(all, SettingInfo{st.path, st.env, st.field.Type(), st.field.Interface()})
	}
	return all
}

// ClusterSettings lists every setting of a cluster; Default is as it would
// stand in the file.
func ClusterSettings(name string) []SettingInfo {
	c := registry.ClusterDefaults()
	var all []SettingInfo
	for _, st := range clusterSchema("clusters."+name, &c).settings {
		text, _ := yaml.Marshal(render(st.field))
		if strings.HasSuffix(st.path, ".budget") {
			text = []byte(auto)
		}
		all = append(all, SettingInfo{Path: st.path, Type: st.field.Type(), Default: strings.TrimSpace(string(text))})
	}
	return all
}

// Value is the value of a setting in c.
func Value(c *Config, path string) any { return schemaOf(c).byPath[path].field.Interface() }

// Snake is the key of a field without a tag.
func Snake(name string) string { return snake(name) }

// Layered is Parse without the owners' checks.
func Layered(path string, data []byte, env []string) *Config {
	l := newLoading(path, env)
	if root, err := l.document(data); err == nil && root != nil {
		l.file(root)
	}
	l.environment()
	l.assign()
	return l.config
}

// Read reads a setting's value as it would stand in the file.
func Read(path, text string) (any, error) {
	var raw any
	if err := yaml.Unmarshal([]byte(text), &raw); err != nil {
		return nil, err
	}
	v, err := reader{}.fromFile(schemaOf(Defaults()).byPath[path].field.Type(), raw)
	if err != nil {
		return nil, err
	}
	return v.Interface(), nil
}

// Rendered is the default of a setting as it would stand in the file.
func Rendered(path string) string {
	text, _ := yaml.Marshal(render(schemaOf(Defaults()).byPath[path].field))
	return strings.TrimSpace(string(text))
}
