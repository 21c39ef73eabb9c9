package registry

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// settings is what the YAML of a tenant or of a plan gave.
type settings struct {
	at position // of the key

	name, plan, status, cluster, isolation given[string]
	schema, database, login                given[string]
	password, dsn                          given[Secret]
	ddl                                    given[bool]
	labels                                 map[string]string
	limitSettings
}

func tenantKeys() []string {
	return []string{
		"name", "status", "plan", "cluster", "isolation", "schema", "database",
		"login", "password", "dsn", "ddl", "labels", "limits",
	}
}

// planKeys are those of a tenant that say nothing of one tenant alone.
func planKeys() []string {
	return []string{"cluster", "isolation", "schema", "database", "login", "password", "ddl", "limits"}
}

// settings reads the mapping of a tenant or of a plan; nil when it is none.
func (r *reader) settings(p pair, field string, keys []string) *settings {
	if p.value.Kind != yaml.MappingNode && !isNull(p.value) {
		r.wrong(p, field, "must be a mapping, with a line of its own for each key")
		return nil
	}
	s := &settings{at: p.at}
	for _, child := range r.mapping(p.value, field, keys) {
		r.setting(s, child, field+"."+child.key)
	}
	return s
}

func (r *reader) setting(s *settings, p pair, field string) {
	switch p.key {
	case "name":
		s.name = r.text(p, field, nil)
	case "status":
		s.status = r.text(p, field, func(v string) string { return checkStatus(Status(v)) })
	case "plan":
		s.plan = r.text(p, field, nil)
	case "cluster":
		s.cluster = r.text(p, field, nil)
	case "isolation":
		s.isolation = r.text(p, field, func(v string) string { return checkIsolation(Isolation(v)) })
	case "schema":
		s.schema = r.text(p, field, checkSchema)
	case "database":
		s.database = r.text(p, field, checkDatabase)
	case "login":
		s.login = r.text(p, field, checkLogin)
	case "password":
		s.password = r.secret(p, field)
	case "dsn":
		s.dsn = r.secret(p, field)
	case "ddl":
		s.ddl = r.flag(p, field)
	case "labels":
		s.labels = r.labels(p.value, field)
	case "limits":
		r.limits(&s.limitSettings, p.value, field)
	}
}

// labels keeps keys and values as they are written.
func (r *reader) labels(node *yaml.Node, field string) map[string]string {
	pairs := r.mapping(node, field, nil)
	labels := make(map[string]string, len(pairs))
	for _, p := range pairs {
		if isNull(p.value) {
			labels[p.key] = ""
			continue
		}
		labels[p.key] = r.text(p, join(field, p.key), nil).value
	}
	content := fmt.Sprintf("%q", labels) // in the order of the keys
	if same, ok := r.alike[content]; ok {
		return same
	}
	r.alike[content] = labels
	return labels
}

// over lays the settings of a tenant over those of its plan. The places that a
// plan gives are those of shared tables: they reach a tenant only when it is
// one of row isolation, and the login only as a whole.
func (s *settings) over(plan *settings) *settings {
	merged := *s
	merged.cluster = s.cluster.or(plan.cluster)
	merged.isolation = s.isolation.or(plan.isolation)
	merged.ddl = s.ddl.or(plan.ddl)
	merged.limitSettings = s.limitSettings.over(plan.limitSettings)
	if Isolation(merged.isolation.value) != IsolationRow {
		return &merged
	}
	merged.schema = s.schema.or(plan.schema)
	if s.dsn.set() {
		return &merged // it replaces database, login and password
	}
	merged.database = s.database.or(plan.database)
	if !s.login.set() {
		merged.login = plan.login
		merged.password = s.password.or(plan.password)
	}
	return &merged
}

// tenant makes the record. Secrets are still as written.
func (s *settings) tenant(id ID) *Tenant {
	t := &Tenant{
		ID: id, Name: s.name.value, Status: Status(s.status.value), Plan: s.plan.value,
		Cluster: s.cluster.value, Isolation: Isolation(s.isolation.value),
		Schema: s.schema.value, Database: s.database.value, Login: s.login.value,
		Password: s.password.value, DSN: s.dsn.value, DDL: s.ddl.value, Labels: s.labels,
		Limits: s.limits(),
	}
	if !s.status.set() {
		t.Status = StatusActive
	}
	return t
}

// defaults makes the plan, all but its password, which is still as written.
func (s *settings) defaults() Plan {
	return Plan{
		Cluster: s.cluster.value, Isolation: Isolation(s.isolation.value),
		Schema: s.schema.value, Database: s.database.value, Login: s.login.value,
		DDL: s.ddl.value, Limits: s.limits(),
	}
}

// written is where a field was written, the zero position when it was not.
func (s *settings) written(field string) position {
	switch field {
	case "plan":
		return s.plan.at
	case "cluster":
		return s.cluster.at
	case "isolation":
		return s.isolation.at
	case "schema":
		return s.schema.at
	case "database":
		return s.database.at
	case "login":
		return s.login.at
	case "password":
		return s.password.at
	case "dsn":
		return s.dsn.at
	case "limits.max_conns":
		return s.maxConns.at
	case "limits.guaranteed_conns":
		return s.guaranteedConns.at
	default:
		return position{}
	}
}
