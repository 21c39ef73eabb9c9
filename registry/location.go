package registry

import "maps"

// location is a record of a Live and where its connections go. Once readers
// can see it, it never changes.
type location struct {
	Tenant
	database, login string
}

func (at *location) dwelling() dwelling { return dwellingOf(&at.Tenant, at.database) }

func (at *location) role() login { return login{at.Cluster, at.login} }

// roles are all logins of the record.
func (at *location) roles() []login { return rolesOf(&at.Tenant, at.login) }

// rolesOf are the logins of a record whose own is given.
func rolesOf(t *Tenant, own string) []login {
	roles := []login{{t.Cluster, own}}
	if t.ReadLogin != "" {
		roles = append(roles, login{t.Cluster, t.ReadLogin})
	}
	return roles
}

// same reports whether both say the same, apart from what the source derives.
func (at *location) same(other *location) bool {
	o := other.Tenant
	o.SharedLogin, o.SharedReadLogin = at.SharedLogin, at.SharedReadLogin
	return at.database == other.database && at.login == other.login && at.equal(&o)
}

// CheckTenant completes a single record (name, schema) and holds it to the
// rules that need no other record: those of [NewStatic]. The error is
// [Problems].
func CheckTenant(clusters map[string]Cluster, t *Tenant) error {
	at, err := newValidation("", clusters).locateAlone(t)
	if err == nil {
		t.Name, t.Schema = at.Name, at.Schema
	}
	return err
}

// locateAlone completes a copy of a record that came from code and holds it to
// the rules that need no other. Problems of the cluster are told when they keep
// the record from being checked.
func (v *validation) locateAlone(t *Tenant) (*location, error) {
	own := *v
	own.problems = nil
	if t.ID.IsZero() {
		own.problems.add(position{}, "tenants", "has a record without an id; ParseID makes one")
		return nil, own.problems
	}
	at := &location{Tenant: *t}
	s := &subject{Tenant: &at.Tenant, field: join("tenants", t.ID.String())}
	own.values(s)
	if !own.alone(s) && len(own.problems) == 0 {
		own.problems = append(own.problems, v.problems...)
	}
	if err := own.problems.sorted(); err != nil {
		return nil, err
	}
	at.SharedLogin, at.SharedReadLogin = false, false
	at.database, at.login = s.where.database, s.where.login
	return at, nil
}

// noHome says who is in the way of a record.
func (v *validation) noHome(at *location) error {
	own := *v
	own.problems = nil
	own.home(&subject{
		Tenant: &at.Tenant, field: join("tenants", at.ID.String()),
		where: target{database: at.database, login: at.login},
	})
	return own.problems.sorted()
}

// users are the tenants that have one login.
type users struct {
	sole ID              // when it is one
	more map[ID]struct{} // when they are several
}

// tenantsByLogin knows who shares a login with whom.
type tenantsByLogin map[login]users

// enter adds a tenant. It returns the one that had the login to itself until
// now, if there is one.
func (b tenantsByLogin) enter(role login, id ID) ID {
	u, known := b[role]
	switch {
	case !known:
		b[role] = users{sole: id}
		return ID{}
	case u.more != nil:
		u.more[id] = struct{}{}
		return ID{}
	default:
		b[role] = users{more: map[ID]struct{}{u.sole: {}, id: {}}}
		return u.sole
	}
}

// leave undoes enter. It returns the one that has the login to itself now, if
// there is one.
func (b tenantsByLogin) leave(role login, id ID) ID {
	u := b[role]
	delete(u.more, id)
	switch len(u.more) {
	case 0:
		delete(b, role)
		return ID{}
	case 1:
		for sole := range maps.Keys(u.more) {
			u = users{sole: sole}
		}
		b[role] = u
		return u.sole
	default:
		return ID{}
	}
}
