package registry

import (
	"maps"
	"strings"
	"time"
)

// Status says whether a tenant may be served.
type Status string

// The states of a tenant. Only an active one is served.
const (
	StatusPending   Status = "pending"   // being onboarded
	StatusActive    Status = "active"    // served
	StatusSuspended Status = "suspended" // refused for now; its data stays
	StatusRetired   Status = "retired"   // refused for good; its data stays until deleted
)

// Isolation names what separates a tenant's data from the others'.
type Isolation string

// The isolations. See the package documentation for what each one pins.
const (
	IsolationSchema   Isolation = "schema"
	IsolationDatabase Isolation = "database"
	IsolationRow      Isolation = "row"
)

// Tenant is one record: who the tenant is and where its data lives. A
// *Tenant that a [Source] or the [Registry] returned is shared and must not
// be changed.
type Tenant struct {
	ID        ID
	Name      string // for people; the id when not given
	Status    Status
	Plan      string // the plan whose defaults filled the record, or ""
	Cluster   string // the key of the cluster in the configuration
	Isolation Isolation

	// Schema is the tenant's own schema (schema isolation; by default
	// [DerivedName] of the id) or the schema of the shared tables (row
	// isolation). Optional for database isolation.
	Schema string
	// Database is the database to connect to; "" means the one that the
	// cluster's DSN names.
	Database string
	// Login is the role to log in as; "" means the cluster's shared login.
	Login string
	// Password belongs to Login.
	Password Secret
	// NextPassword is what Password is about to be replaced by: while a
	// rotation is under way either may be the one that the server takes.
	NextPassword Secret
	// ReadLogin is a second role, of the tenant alone, that may read its data
	// and change nothing; "" means that there is none. ReadPassword is its
	// own. See [ID.Reader]. It goes with a Login of the tenant's own, and
	// neither with a DSN nor with row isolation.
	ReadLogin    string
	ReadPassword Secret
	// DSN replaces the cluster's connection string altogether. It excludes
	// Database, Login and Password.
	DSN Secret

	Limits Limits
	// DDL says that the tenant's login owns its schema and may change it.
	DDL    bool
	Labels map[string]string

	// Version grows with every change of the record. Versions of one id are
	// comparable within one process only, unless the source says more.
	Version uint64
	// Born tells apart tenants that had the same id one after the other: it
	// stays as it is until the tenant is removed and added anew. Comparable as
	// Version is; 0 says nothing.
	Born uint64
	// Since is set when the id was another tenant's before: what was issued for
	// the id earlier than that was not issued for this one.
	Since time.Time
	// SharedLogin is derived by the source: another record of the same
	// cluster, or the cluster itself, uses the same login. Such a tenant has
	// no wall that SQL cannot climb.
	SharedLogin bool
	// SharedReadLogin is SharedLogin for ReadLogin.
	SharedReadLogin bool
}

// Active reports whether the tenant may be served.
func (t *Tenant) Active() bool { return t.Status == StatusActive }

// clone returns a copy that shares nothing with t.
func (t *Tenant) clone() *Tenant {
	c := *t
	c.Labels = maps.Clone(t.Labels)
	return &c
}

// equal reports whether both records say the same; their versions may differ.
func (t *Tenant) equal(other *Tenant) bool {
	return t.ID == other.ID && t.Born == other.Born && t.Since.Equal(other.Since) && t.Name == other.Name && t.Status == other.Status &&
		t.Plan == other.Plan && t.Cluster == other.Cluster && t.Isolation == other.Isolation &&
		t.Schema == other.Schema && t.Database == other.Database && t.Login == other.Login &&
		t.Password == other.Password && t.NextPassword == other.NextPassword &&
		t.ReadLogin == other.ReadLogin && t.ReadPassword == other.ReadPassword && t.DSN == other.DSN && t.Limits == other.Limits &&
		t.DDL == other.DDL && t.SharedLogin == other.SharedLogin &&
		t.SharedReadLogin == other.SharedReadLogin && maps.Equal(t.Labels, other.Labels)
}

// sameButLimits reports whether both records say the same, apart from the
// limits that a running pool follows and from ReadPassword: whether a pool of
// the one can go on as a pool of the other.
func (t *Tenant) sameButLimits(other *Tenant) bool {
	a, b := *t, *other
	a.Limits, b.Limits = a.Limits.rest(), b.Limits.rest()
	a.ReadPassword = b.ReadPassword
	return a.equal(&b)
}

// byID orders records.
func byID(a, b *Tenant) int { return strings.Compare(a.ID.name, b.ID.name) }
