package config

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/poolkeeper/poolkeeper/registry"
)

// hidden stands for a secret wherever one would be shown.
const hidden = "[secret]"

// Show returns the configuration in force as YAML: every setting with a
// comment that says where its value comes from, the clusters, and the tenants
// with what their plans gave them. Secrets are hidden, so the text can go into
// a report; it cannot be loaded again.
func (c *Config) Show() (string, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(c.node()); err != nil {
		return "", fmt.Errorf("config: show: %w", err)
	}
	return out.String(), nil
}

// node is the configuration in force, secrets hidden.
func (c *Config) node() *yaml.Node {
	root := mapping()
	s := schemaOf(c)
	for _, sec := range c.sections() {
		put(root, sec.name, "", c.showGroup(s, sec.name))
	}
	put(root, "tenants_dir", string(c.Origin("tenants_dir")), scalar(c.TenantsDir))
	put(root, "clusters", "", c.showClusters())
	put(root, "tenants", "", showTenants(c.Tenants))
	return root
}

// String hides the secrets: a Config that ends up in a log tells only its
// path.
func (c Config) String() string { return "config " + c.path }

// MarshalYAML gives what Show prints.
func (c Config) MarshalYAML() (any, error) { return c.node(), nil }

// MarshalJSON gives what Show prints, without the origins.
func (c Config) MarshalJSON() ([]byte, error) {
	var plain any
	if err := c.node().Decode(&plain); err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}

// showGroup renders the settings of one mapping.
func (c *Config) showGroup(s *schema, path string) *yaml.Node {
	node := mapping()
	for _, key := range s.groups[path] {
		child := path + "." + key
		if st, isLeaf := s.byPath[child]; isLeaf {
			put(node, key, string(c.Origin(child)), render(st.field))
		} else {
			put(node, key, "", c.showGroup(s, child))
		}
	}
	return node
}

func showTenants(tenants []*registry.Tenant) *yaml.Node {
	node := mapping()
	for _, t := range tenants {
		put(node, t.ID.String(), "", showTenant(t))
	}
	return node
}

// showTenant renders what is set in a record, under the keys of the file.
func showTenant(t *registry.Tenant) *yaml.Node {
	node := mapping()
	for _, f := range []struct {
		key   string
		value any
	}{
		{"name", t.Name},
		{"status", t.Status},
		{"plan", t.Plan},
		{"cluster", t.Cluster},
		{"isolation", t.Isolation},
		{"schema", t.Schema},
		{"database", t.Database},
		{"login", t.Login},
		{"password", t.Password},
		{"dsn", t.DSN},
		{"ddl", t.DDL},
	} {
		if v := reflect.ValueOf(f.value); !v.IsZero() {
			put(node, f.key, "", render(v))
		}
	}
	if limits := showLimits(t.Limits); len(limits.Content) > 0 {
		put(node, "limits", "", limits)
	}
	if len(t.Labels) > 0 {
		labels := mapping()
		for _, key := range slices.Sorted(maps.Keys(t.Labels)) {
			put(labels, key, "", scalar(t.Labels[key]))
		}
		put(node, "labels", "", labels)
	}
	return node
}

func showLimits(l registry.Limits) *yaml.Node {
	node, v := mapping(), reflect.ValueOf(l)
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			put(node, keyOf(v.Type().Field(i)), "", render(v.Field(i)))
		}
	}
	return node
}

// render gives the node of one value, in the form that can be written into
// the file.
func render(v reflect.Value) *yaml.Node {
	if v.Kind() == reflect.Slice && !isText(v.Type()) {
		list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for i := range v.Len() {
			list.Content = append(list.Content, render(v.Index(i)))
		}
		return list
	}
	switch value := v.Interface().(type) {
	case registry.Secret:
		if value.IsZero() {
			return scalar("")
		}
		return scalar(hidden)
	case time.Duration:
		return scalar(formatDuration(value))
	case int64:
		return plain(registry.FormatSize(value))
	case encoding.TextMarshaler:
		if text, err := value.MarshalText(); err == nil {
			return scalar(string(text))
		}
	}
	if v.Kind() == reflect.String {
		return scalar(v.String())
	}
	return plain(fmt.Sprint(v.Interface()))
}

// formatDuration leaves out the parts that are zero: 5m, not 5m0s.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func mapping() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode} }

// scalar is a text, quoted where it would read as something else.
func scalar(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	return n
}

// plain is a number, a size or a truth value.
func plain(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }

func put(m *yaml.Node, key, comment string, value *yaml.Node) {
	value.LineComment = comment
	m.Content = append(m.Content, scalar(key), value)
}
