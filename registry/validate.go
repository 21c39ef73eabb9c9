package registry

import (
	"maps"
	"slices"
	"strings"
)

// A subject is a record under validation.
type subject struct {
	*Tenant
	field string    // "tenants.acme"
	given *settings // what YAML gave, nil for a record from code
	own   *settings // of it, what the tenant gave without its plan
	where target    // where its connections go, once its own fields are right
	wrong bool      // something was said of it: comparing it with others would mislead
}

// at is where to complain about a field: where it was written, or else where
// the tenant begins.
func (s *subject) at(field string) position {
	switch {
	case s.given == nil:
		return position{}
	case s.wrote(field):
		return s.given.written(field)
	default:
		return s.given.at
	}
}

// wrote reports whether YAML gave the field, be it wrongly.
func (s *subject) wrote(field string) bool {
	return s.given != nil && s.given.written(field) != position{}
}

// validation checks records against the clusters and against each other.
type validation struct {
	sites    map[string]site
	names    []string // of all clusters, those with problems too
	homes    homes
	located  map[ID]*subject // whose connections lead to a known place
	logins   map[login]int   // how many use each
	problems Problems
}

// A login is a role of a cluster.
type login struct{ cluster, role string }

func newValidation(file string, clusters map[string]Cluster) *validation {
	known, problems := sites(file, clusters)
	v := &validation{
		sites:    known,
		names:    slices.Sorted(maps.Keys(clusters)),
		homes:    homes{},
		located:  map[ID]*subject{},
		logins:   map[login]int{},
		problems: problems,
	}
	for name, s := range known {
		for _, role := range s.logins {
			v.logins[login{name, role}]++
		}
	}
	return v
}

func (v *validation) wrong(s *subject, field, format string, args ...any) {
	s.wrong = true
	v.problems.add(s.at(field), s.field+"."+field, format, args...)
}

// all completes and checks the records, and derives what only the whole tells.
func (v *validation) all(subjects []*subject) {
	for _, s := range subjects {
		if v.alone(s) {
			v.located[s.ID] = s
			for _, role := range s.roles() {
				v.logins[role]++
			}
		}
	}
	for _, s := range subjects {
		if v.located[s.ID] == s && !s.wrong {
			v.home(s)
		}
	}
	for _, s := range v.located {
		s.SharedLogin = v.logins[login{s.Cluster, s.where.login}] > 1
		s.SharedReadLogin = v.logins[login{s.Cluster, s.ReadLogin}] > 1
	}
}

// roles are the logins of a record whose connections lead to a known place.
func (s *subject) roles() []login { return rolesOf(s.Tenant, s.where.login) }

// values checks every single value of a record that came from code.
func (v *validation) values(s *subject) {
	checkValues(s.Tenant, func(field, message string) {
		v.problems.add(position{}, s.field+"."+field, "%s", message)
	})
}

// alone completes the record and holds it to the rules that need no other. It
// reports whether it is known where the tenant's connections go.
func (v *validation) alone(s *subject) bool {
	s.complete()
	v.particulars(s)
	if !v.locate(s) {
		return false
	}
	v.readerApart(s)
	if spare := v.sites[s.Cluster].spare; spare != "" && spare == s.where.login {
		v.wrong(s, loginField(s), "is the login of clusters.%s.spare_dsn, which can become any tenant's; give the tenant one of its own", s.Cluster)
	}
	return true
}

// loginField is where a record says its login.
func loginField(s *subject) string {
	if !s.DSN.IsZero() {
		return "dsn"
	}
	return "login"
}

// complete fills in what follows from the id.
func (s *subject) complete() {
	if s.Name == "" {
		s.Name = s.ID.String()
	}
	if s.Schema == "" && s.Isolation == IsolationSchema && !s.wrote("schema") {
		s.Schema = DerivedName(s.ID, "")
	}
}

// particulars checks the fields of one record against each other.
func (v *validation) particulars(s *subject) {
	if !s.DSN.IsZero() {
		for _, other := range []struct {
			name  string
			given bool
		}{{"database", s.Database != ""}, {"login", s.Login != ""}, {"password", !s.Password.IsZero()}, {"next_password", !s.NextPassword.IsZero()}} {
			if other.given {
				v.wrong(s, other.name, "cannot stand beside dsn, which says it already; leave out one of them")
			}
		}
	} else if s.Login == "" && !s.Password.IsZero() {
		v.wrong(s, "password", "has no login to belong to; give the login too, or leave the password out")
	}
	v.readLogin(s)
	v.guarantee(s)
	v.isolation(s)
}

// guarantee checks that a tenant is not promised more connections than it may
// have. Defaults of pools may be neither: pools keeps to the lesser.
func (v *validation) guarantee(s *subject) {
	const field = "limits.guaranteed_conns"
	if wrong := s.Limits.overpromise(s.at("limits.max_conns").from(s.at(field))); wrong != "" {
		v.wrong(s, field, "%s", wrong)
	}
}

// isolation checks that the record says what its isolation needs.
func (v *validation) isolation(s *subject) {
	missing := func(field string, value, message string) {
		if value == "" && !s.wrote(field) {
			v.wrong(s, field, "is missing; %s", message)
		}
	}
	switch s.Isolation {
	case IsolationSchema:
		if wrong := checkSchema(s.Schema); wrong != "" && s.Schema == DerivedName(s.ID, "") && !s.wrote("schema") {
			v.wrong(s, "schema", "follows from the id and %s", wrong)
		}
	case IsolationRow:
		missing("schema", s.Schema, "with row isolation it names the schema of the shared tables")
	case IsolationDatabase:
		if s.wrote("dsn") || !s.DSN.IsZero() {
			return
		}
		missing("database", s.Database, "database isolation needs a database of the tenant's own, or a dsn")
	case "":
		if s.given != nil { // else checkValues told
			missing("isolation", "", "it must be schema, database or row, here or in the plan")
		}
	}
}

// locate finds out where the tenant's connections go, and reports whether that
// is known and allowed.
func (v *validation) locate(s *subject) bool {
	home, ok := v.sites[s.Cluster]
	switch {
	case s.Cluster == "" && s.wrote("cluster"):
		return false // told where it was read
	case s.Cluster == "":
		v.wrong(s, "cluster", "is missing; %s", nearestOf("clusters", "", v.names))
		return false
	case !ok && slices.Contains(v.names, s.Cluster):
		return false // the cluster's own problem is told
	case !ok:
		v.wrong(s, "cluster", "is %s, which is no cluster; %s", quote(s.Cluster), nearestOf("clusters", s.Cluster, v.names))
		return false
	}
	s.where = home.target
	if s.DSN.IsZero() {
		if s.Login != "" {
			s.where.login = s.Login
		}
		if s.Database != "" {
			s.where.database = s.Database
		}
		return true
	}
	return v.ownDSN(s, home)
}

// ownDSN checks that a tenant's own connection string stays on its cluster.
func (v *validation) ownDSN(s *subject, home site) bool {
	if s.given != nil && v.unresolved(s) {
		return false
	}
	where, err := parseTarget(s.DSN)
	if err != nil {
		v.wrong(s, "dsn", "%v", err)
		return false
	}
	for _, addr := range where.addresses {
		if slices.Contains(home.addresses, addr) {
			continue
		}
		v.wrong(s, "dsn", "leads to %s, which is %s", addr, v.whose(addr, s.Cluster))
		return false
	}
	if wrong := checkName(where.database); wrong != "" {
		v.wrong(s, "dsn", "has a database that %s", wrong)
		return false
	}
	if wrong := checkName(where.login); wrong != "" {
		v.wrong(s, "dsn", "has a login that %s", wrong)
		return false
	}
	s.where = where
	return true
}

// unresolved reports whether the connection string is still a reference,
// because what it refers to is missing: that was told.
func (v *validation) unresolved(s *subject) bool {
	text := s.DSN.Reveal()
	return s.DSN == s.given.dsn.value && (strings.HasPrefix(text, "env:") || strings.HasPrefix(text, "file:"))
}

// whose says which cluster an address belongs to, and what to do about one
// that is not the tenant's own.
func (v *validation) whose(addr, cluster string) string {
	for _, name := range v.names {
		if slices.Contains(v.sites[name].addresses, addr) {
			return "cluster " + name + ", not " + cluster + "; its connections would be counted where they are not"
		}
	}
	return "no cluster's address; if it is the same server, add it to clusters." + cluster + ".addresses, else name another cluster"
}

// nearestOf is nearest for names that a file chooses, of which there may be
// none or many.
func nearestOf(section, name string, names []string) string {
	if len(names) == 0 {
		return section + " names none"
	}
	const most = 20
	if len(names) > most {
		names = names[:most:most]
	}
	return Nearest(name, names)
}
