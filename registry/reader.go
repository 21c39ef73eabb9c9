package registry

import (
	"fmt"
	"slices"
)

// readerMark ends the name of a reader's ID. No tenant's id has it.
const readerMark = "+read"

// Reader returns the ID under which the tenant is leased with its ReadLogin:
// a pool of its own, whose sessions cannot write whatever SQL they are sent.
// It is no tenant's id: [ParseID] refuses its text, and no source has a record
// of it; the [Registry] derives one from the tenant's.
func (id ID) Reader() ID {
	if id.IsZero() || id.IsReader() {
		return id
	}
	return ID{name: id.name + readerMark}
}

// IsReader reports whether id came from [ID.Reader].
func (id ID) IsReader() bool {
	n := len(id.name) - len(readerMark)
	return n > 0 && id.name[n:] == readerMark
}

// Tenant returns the tenant's own id: what Reader was called on, or id itself.
func (id ID) Tenant() ID {
	if !id.IsReader() {
		return id
	}
	return ID{name: id.name[:len(id.name)-len(readerMark)]}
}

// reader returns the record of the tenant's reader, or [ErrNoReader].
func (t *Tenant) reader() (*Tenant, error) {
	if t.ReadLogin == "" {
		return nil, fmt.Errorf("%w: %q", ErrNoReader, t.ID)
	}
	r := *t
	r.ID = t.ID.Reader()
	r.Login, r.Password, r.SharedLogin = t.ReadLogin, t.ReadPassword, t.SharedReadLogin
	r.NextPassword, r.ReadLogin, r.ReadPassword, r.SharedReadLogin = Secret{}, "", Secret{}, false
	r.DDL = false
	r.Limits.GuaranteedConns = 0 // what is kept for the tenant is kept for its own pool
	return &r, nil
}

// readLogin checks the login of a record's reader against the record.
func (v *validation) readLogin(s *subject) {
	wrong := func(format string, args ...any) { v.wrong(s, "read_login", format, args...) }
	switch {
	case s.ReadLogin == "" && !s.ReadPassword.IsZero():
		v.wrong(s, "read_password", "has no read_login to belong to; give the login too, or leave the password out")
	case s.ReadLogin == "":
	case !s.DSN.IsZero():
		wrong("cannot stand beside dsn, whose rights nobody here knows; leave it out")
	case s.Isolation == IsolationRow:
		wrong("is not for row isolation, where another login has no rows; leave it out")
	case s.Login == "":
		wrong("needs a login of the tenant's own beside it, for the cluster's sees more than one tenant; give the login too, or leave it out")
	case s.ReadLogin == s.Login:
		wrong("is %s, as login is, which may write; give it a role of its own", quote(s.ReadLogin))
	}
}

// readerApart checks that the login of a record's reader is none of its
// cluster's, whose rights are others.
func (v *validation) readerApart(s *subject) {
	if s.ReadLogin != "" && slices.Contains(v.sites[s.Cluster].logins, s.ReadLogin) {
		v.wrong(s, "read_login", "is %s, which clusters.%s logs in as; give the reader a role of its own", quote(s.ReadLogin), s.Cluster)
	}
}
