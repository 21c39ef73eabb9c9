package doctor

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// patient is one server under examination.
type patient struct {
	*examination
	name       string
	c          registry.Cluster
	dsn, admin *pgx.ConnConfig // nil when there is none that can be used
	tenants    []*control.Record
	release    string   // of PostgreSQL, that the server runs
	major      int      // of it
	databases  []string // that there are
}

// errSkip ends a check for which something is missing that was told already.
var errSkip = errors.New("doctor: not to be checked")

func (x *examination) patient(name string) *patient {
	c := &patient{examination: x, name: name, c: x.Clusters[name]}
	for _, r := range x.records {
		if r.Cluster == name {
			c.tenants = append(c.tenants, r)
		}
	}
	return c
}

func (c *patient) subject() string { return "cluster " + c.name }

func (c *patient) inside(database string) string {
	return "database " + database + " of cluster " + c.name
}

// found adds a finding on the server as a whole.
func (c *patient) found(check string, s Severity, message, remedy string) {
	c.foundIn(c.subject(), check, s, message, remedy)
}

func (c *patient) foundIn(subject, check string, s Severity, message, remedy string) {
	c.report.add(Finding{Check: check, Severity: s, Subject: subject, Message: message, Remedy: remedy})
}

// databaseOf is where a tenant's data lies, "" when only its own connection
// string says.
func (c *patient) databaseOf(t *registry.Tenant) string {
	if !t.DSN.IsZero() {
		return ""
	}
	return cmp.Or(t.Database, c.home())
}

// home is the database of the cluster's connection string.
func (c *patient) home() string {
	return cmp.Or(c.dsn.Database, c.dsn.User) // as the server does
}

// homes are the databases, of those that there are, in which several tenants may live.
func (c *patient) homes() []string {
	homes := []string{c.home()}
	for _, t := range c.tenants {
		if d := c.databaseOf(&t.Tenant); d != "" && t.Isolation != registry.IsolationDatabase && !slices.Contains(homes, d) {
			homes = append(homes, d)
		}
	}
	slices.Sort(homes)
	return slices.DeleteFunc(homes, func(d string) bool { return !slices.Contains(c.databases, d) })
}

// loginOf is the role that a tenant connects as, "" when only its own
// connection string says.
func (c *patient) loginOf(t *registry.Tenant) string {
	if !t.DSN.IsZero() {
		return ""
	}
	return cmp.Or(t.Login, c.dsn.User)
}

// database runs the checks of one database.
func (c *patient) database(ctx context.Context, name string) {
	for _, check := range []struct {
		name string
		do   func(context.Context, pgx.Tx, string) error
	}{
		{checkShadow, c.shadow},
		{checkExtensions, c.extensions},
		{checkOrphan, c.schemas},
		{checkPrivileges, c.openRights},
		{checkPrivileges, c.readers},
	} {
		c.run(ctx, check.name, c.inside(name), func(ctx context.Context) error {
			return c.lookInto(ctx, name, func(tx pgx.Tx) error { return check.do(ctx, tx, name) })
		})
	}
}
