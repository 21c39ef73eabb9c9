package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/poolkeeper/poolkeeper/registry"
)

// environment lays the variables over the file. One that looks like a setting
// and is none is refused like an unknown key.
func (l *loading) environment() {
	for _, name := range slices.Sorted(maps.Keys(l.reader.env)) {
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		st, known := l.schema.byEnv[name]
		if !known {
			l.unknownVariable(name)
			continue
		}
		value, err := l.reader.fromText(st.field.Type(), l.reader.env[name])
		if err != nil {
			l.problems = append(l.problems, &Problem{File: "environment", Field: name, Message: err.Error()})
			continue
		}
		l.layers.Set(st.path, value.Interface())
		l.config.origins[st.path] = FromEnv + Origin(" "+name)
	}
}

// unknownVariable refuses a variable that begins like a section. Others
// (POOLKEEPER_PG_BIN) belong to somebody else.
func (l *loading) unknownVariable(name string) {
	if serviceLink.MatchString(name) || !slices.ContainsFunc(l.config.sections(), func(sec section) bool {
		return strings.HasPrefix(name, envName(sec.name)+"_")
	}) {
		return
	}
	l.problems = append(l.problems, &Problem{
		File: "environment", Field: name,
		Message: "is no setting; " + registry.Nearest(name, slices.Sorted(maps.Keys(l.schema.byEnv))),
	})
}

// serviceLink matches what Kubernetes puts into every container for a service
// that happens to be called poolkeeper-server.
var serviceLink = regexp.MustCompile(`_(SERVICE_(HOST|PORT.*)|PORT|PORT_\d+_(TCP|UDP).*)$`)
