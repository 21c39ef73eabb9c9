package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/poolkeeper/poolkeeper/registry"
)

// auto is the budget that follows from the server; in code it is 0.
const auto = "auto"

// clusterSchema is what may be written for one cluster: the fields of
// registry.Cluster. The settings point into c.
func clusterSchema(path string, c *registry.Cluster) *schema {
	s := newSchema()
	s.add(path, reflect.ValueOf(c).Elem())
	return s
}

// clusters reads the servers; viper never sees their names.
func (l *loading) clusters(node *yaml.Node) {
	if node.Tag == "!!null" {
		return
	}
	for _, e := range l.entries(node, "clusters", nil) {
		path := "clusters." + e.key
		l.lines[path] = e.line
		l.config.Clusters[e.key] = l.cluster(e, path)
	}
}

func (l *loading) cluster(e entry, path string) registry.Cluster {
	cluster := registry.ClusterDefaults()
	s := clusterSchema(path, &cluster)
	for _, child := range l.entries(e.value, path, s.groups[path]) {
		l.clusterSetting(child, s.byPath[path+"."+child.key])
	}
	if cluster.DSN.IsZero() && !l.said(path+".dsn") {
		l.problem(e.line, path+".dsn", "is missing; write a connection string, env:NAME or file:PATH")
	}
	return cluster
}

// clusterSetting reads one setting of a cluster. Its bounds are registry's
// business.
func (l *loading) clusterSetting(e entry, st setting) {
	var raw any
	if e.value.Decode(&raw) != nil {
		l.problem(e.line, st.path, "cannot be read") // as what, may contain a secret
		return
	}
	l.lines[st.path] = e.line
	l.config.origins[st.path] = FromFile
	if e.key == "budget" && raw == auto {
		return
	}
	value, err := l.reader.fromFile(st.field.Type(), raw)
	switch _, isText := raw.(string); {
	case err == nil && value.IsZero():
		err = zero(e.key)
	case err != nil && e.key == "budget" && raw != nil:
		err = fmt.Errorf("%w, or auto", err)
	case err != nil && e.key == "addresses" && isText:
		err = errors.New("must be a list, such as [db.internal:5432]") // the text may be a connection string
	}
	if err != nil {
		l.problem(e.line, st.path, "%v", err)
		return
	}
	st.field.Set(value)
}

// zero refuses a 0 that whoever writes it means as none, while in code it
// means the default.
func zero(key string) error {
	switch key {
	case "budget":
		return errors.New("is 0; it must be 1 or more, or auto, which follows from the server's max_connections")
	case "replicas", "dials", "queue":
		return errors.New("is 0; it must be 1 or more")
	default:
		return nil
	}
}

// showClusters renders the clusters with the origins of their settings.
func (c *Config) showClusters() *yaml.Node {
	node := mapping()
	for _, name := range slices.Sorted(maps.Keys(c.Clusters)) {
		path, cluster := "clusters."+name, c.Clusters[name]
		shown := mapping()
		s := clusterSchema(path, &cluster)
		for _, key := range s.groups[path] {
			value := render(s.byPath[path+"."+key].field)
			if key == "budget" && cluster.Budget == 0 {
				value = plain(auto)
			}
			put(shown, key, string(c.Origin(path+"."+key)), value)
		}
		put(node, name, "", shown)
	}
	return node
}
