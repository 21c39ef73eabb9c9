package registry

import "fmt"

// A place is a schema of a database; schema "" is the database as a whole.
type place struct{ cluster, database, schema string }

// A resident is the first that was met in a place.
type resident struct {
	*subject
	// whole says that the tenant has the database to itself, shared that it
	// shares the schema with others of row isolation.
	whole, shared bool
}

// homes finds tenants that would live in one another's data.
type homes map[place]resident

// home reports the tenant's place when somebody else has it.
//
// The rules: a database of database isolation is one tenant's alone; a schema
// of schema isolation is one tenant's alone within its database; a schema of
// row isolation is shared by tenants of row isolation.
func (v *validation) home(s *subject) {
	database := place{cluster: s.Cluster, database: s.where.database}
	schema := database
	schema.schema = s.Schema
	me := resident{subject: s, whole: s.Isolation == IsolationDatabase, shared: s.Isolation == IsolationRow}

	if other, taken := v.homes[database]; taken && (me.whole || other.whole) {
		v.crowded(s, other, "database", fmt.Sprintf("%s of cluster %s", quote(s.where.database), s.Cluster),
			"database isolation means a database without other tenants")
		return
	} else if !taken {
		v.homes[database] = me
	}
	if me.whole || s.Schema == "" {
		return
	}
	other, taken := v.homes[schema]
	switch {
	case !taken:
		v.homes[schema] = me
	case !me.shared || !other.shared:
		v.crowded(s, other, "schema", fmt.Sprintf("%s in database %s of cluster %s", quote(s.Schema), quote(s.where.database), s.Cluster),
			"only tenants of row isolation share one")
	}
}

// crowded complains about the later of two tenants in one place.
func (v *validation) crowded(s *subject, other resident, field, where, rule string) {
	if field == "database" && !s.DSN.IsZero() {
		field = "dsn"
	}
	at := s.at(field)
	v.problems.add(at, s.field+"."+field, "leads to %s, as for tenant %s%s; %s",
		where, other.ID, other.at(field).from(at), rule)
}
