package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Restart lists the settings whose values differ between two configurations,
// by path: what a running program does not take over from a changed file.
// Tenants and plans are not among them, they are followed as they change.
func (c *Config) Restart(next *Config) []string {
	var changed []string
	mine, theirs := schemaOf(c), schemaOf(next)
	for _, st := range mine.settings {
		if !same(st.field, theirs.byPath[st.path].field) {
			changed = append(changed, st.path)
		}
	}
	for _, name := range names(c, next) {
		if !reflect.DeepEqual(c.Clusters[name], next.Clusters[name]) {
			changed = append(changed, "clusters."+name)
		}
	}
	return changed
}

// same compares values; no list and an empty one mean the same.
func same(a, b reflect.Value) bool {
	if a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// names are the clusters of either.
func names(a, b *Config) []string {
	all := maps.Clone(a.Clusters)
	maps.Copy(all, b.Clusters)
	return slices.Sorted(maps.Keys(all))
}

// Check returns a function for registry's file source: it says whether a
// changed file is right as a whole, and tells restart which settings would
// need one. A file that is wrong anywhere changes nothing, its tenants
// included. restart may be nil.
func (c *Config) Check(env []string, restart func(settings []string)) func(data []byte) error {
	env = slices.Clone(env)
	var told string
	return func(data []byte) error {
		next, err := Parse(c.path, data, env)
		if err != nil {
			return err
		}
		changed := c.Restart(next)
		if now := strings.Join(changed, " "); restart != nil && now != told {
			told = now
			if len(changed) > 0 {
				restart(changed)
			}
		}
		return nil
	}
}
