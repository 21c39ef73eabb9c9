package registry

import "fmt"

// A place is a schema of a database; schema "" is the database as a whole.
type place struct{ cluster, database, schema string }

// A dwelling is where one tenant wants to live.
type dwelling struct {
	id               ID
	database, schema place // no schema where the tenant needs none
	// whole says that the tenant has the database to itself, shared that it
	// shares the schema with others of row isolation.
	whole, shared bool
}

// dwellingOf returns where the tenant lives, given the database to which its
// connections lead.
func dwellingOf(t *Tenant, database string) dwelling {
	d := dwelling{
		id: t.ID, database: place{cluster: t.Cluster, database: database},
		whole: t.Isolation == IsolationDatabase, shared: t.Isolation == IsolationRow,
	}
	if !d.whole && t.Schema != "" {
		d.schema = place{t.Cluster, database, t.Schema}
	}
	return d
}

// residents are those who live in one place.
type residents struct {
	first         ID // that was met; zero once it has left
	count         int32
	whole, shared bool // as in dwelling; all residents are alike in it
}

// homes finds tenants that would live in one another's data.
//
// The rules: a database of database isolation is one tenant's alone; a schema
// of schema isolation is one tenant's alone within its database; a schema of
// row isolation is shared by tenants of row isolation.
type homes map[place]residents

// taken returns the place in which somebody else is in the way.
func (h homes) taken(d dwelling) (place, bool) {
	if there := h[d.database]; there.count > 0 && (d.whole || there.whole) {
		return d.database, true
	}
	if d.schema == (place{}) {
		return place{}, false
	}
	there := h[d.schema]
	return d.schema, there.count > 0 && (!d.shared || !there.shared)
}

// enter has a tenant live where nobody is in the way.
func (h homes) enter(d dwelling) {
	for _, at := range d.places() {
		there := h[at]
		if there.count == 0 {
			there = residents{first: d.id, whole: d.whole, shared: d.shared}
		}
		there.count++
		h[at] = there
	}
}

// leave undoes enter.
func (h homes) leave(d dwelling) {
	for _, at := range d.places() {
		there := h[at]
		if there.count--; there.count == 0 {
			delete(h, at)
			continue
		}
		if there.first == d.id {
			there.first = ID{}
		}
		h[at] = there
	}
}

func (d dwelling) places() []place {
	if d.schema == (place{}) {
		return []place{d.database}
	}
	return []place{d.database, d.schema}
}

// home has the subject live in its place, or complains that somebody else does.
func (v *validation) home(s *subject) {
	d := dwellingOf(s.Tenant, s.where.database)
	at, taken := v.homes.taken(d)
	switch {
	case !taken:
		v.homes.enter(d)
	case at == d.database:
		v.crowded(s, v.homes[at].first, "database", fmt.Sprintf("%s of cluster %s", quote(at.database), at.cluster),
			"database isolation means a database without other tenants")
	default:
		v.crowded(s, v.homes[at].first, "schema", fmt.Sprintf("%s in database %s of cluster %s", quote(at.schema), quote(at.database), at.cluster),
			"only tenants of row isolation share one")
	}
}

// crowded complains about the later of two tenants in one place.
func (v *validation) crowded(s *subject, other ID, field, where, rule string) {
	if field == "database" && !s.DSN.IsZero() {
		field = "dsn"
	}
	at := s.at(field)
	var there position
	if o := v.located[other]; o != nil {
		there = o.at(field)
	}
	s.wrong = true
	v.problems.add(at, s.field+"."+field, "leads to %s, as for tenant %s%s; %s",
		where, other, there.from(at), rule)
}
