package onboard

import (
	"cmp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// plan is where a tenant's data shall lie, and who shall reach it how. It is
// made from the record alone.
type plan struct {
	tenant  *registry.Tenant
	foreign bool // the record has a connection string of its own

	admin         *pgx.ConnConfig // the administrator
	adminDatabase string
	user          *pgx.ConnConfig // how the tenant will connect

	database string
	schema   string
	login    string
	kind     string // of the login, as its comment says
	writer   string // in the plan of a reader: the tenant's own login
	shared   bool   // the login belongs to several tenants
	owner    string // owns the schema or the database; cannot log in
	ownerOf  string // what the owner's comment says
}

// key names the place for keyedMutex.
func (pl *plan) key() string {
	return strings.Join([]string{pl.tenant.Cluster, pl.database, pl.schema}, "\x00")
}

func (pl *plan) row() bool { return pl.tenant.Isolation == registry.IsolationRow }

// ownsSchema is the role that owns the schema and makes its tables.
func (pl *plan) ownsSchema() string {
	if pl.tenant.DDL && !pl.row() {
		return pl.login
	}
	return pl.owner
}

// hasOwner reports whether there is a role that owns, besides the login.
func (pl *plan) hasOwner() bool {
	return pl.ownsSchema() != pl.login || pl.tenant.Isolation == registry.IsolationDatabase
}

// place is the name of what is the tenant's alone: its database or schema.
func (pl *plan) place() string {
	if pl.tenant.Isolation == registry.IsolationDatabase {
		return pl.database
	}
	return pl.schema
}

// placeOwner is the role that owns the place.
func (pl *plan) placeOwner() string {
	if pl.tenant.Isolation == registry.IsolationDatabase {
		return pl.owner
	}
	return pl.ownsSchema()
}

// plan checks the record and derives the names.
func (p *Provisioner) plan(t *registry.Tenant) (*plan, error) {
	pl := &plan{tenant: t, foreign: !t.DSN.IsZero(), kind: kindLogin}
	cluster, ok := p.clusters[t.Cluster]
	if !ok {
		return nil, refuse(ErrCluster, "cluster %q is not configured", t.Cluster)
	}
	var err error
	if pl.foreign {
		pl.user, err = p.target("dsn", t.DSN, t.Cluster)
		pl.schema = t.Schema
		return pl, err
	}
	if pl.admin, err = p.administrator(t.Cluster); err != nil {
		return nil, err
	}
	if pl.user, err = p.target("clusters."+t.Cluster+".dsn", cluster.DSN, t.Cluster); err != nil {
		return nil, err
	}
	pl.adminDatabase = pl.admin.Database
	pl.chooseLogin()
	if err := pl.choosePlace(); err != nil {
		return nil, err
	}
	return pl, pl.check()
}

// administrator is how the cluster's administrator connects.
func (p *Provisioner) administrator(cluster string) (*pgx.ConnConfig, error) {
	c, ok := p.clusters[cluster]
	if !ok {
		return nil, refuse(ErrCluster, "cluster %q is not configured", cluster)
	}
	if c.Admin.IsZero() {
		return nil, refuse(ErrCluster, "clusters.%s.admin is missing: it is the login that makes roles and schemas", cluster)
	}
	return p.target("clusters."+cluster+".admin", c.Admin, cluster)
}

// target is where a connection string leads, and how it is dialled.
func (p *Provisioner) target(field string, dsn registry.Secret, cluster string) (*pgx.ConnConfig, error) {
	cfg, err := parseDSN(field, dsn)
	if err != nil {
		return nil, err
	}
	if p.way.dial != nil {
		cfg.DialFunc = p.way.dial(cluster)
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = p.way.patience
	}
	return cfg, nil
}

// parseDSN hides what the parser says, because it may quote the text.
func parseDSN(field string, dsn registry.Secret) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(dsn.Reveal())
	if err != nil {
		return nil, refuse(ErrCluster, "%s is not a connection string of PostgreSQL", field)
	}
	return cfg, nil
}

// chooseLogin: the record's, or the cluster's shared one.
func (pl *plan) chooseLogin() {
	t := pl.tenant
	pl.shared = t.Login == "" || t.Login == pl.user.User || t.SharedLogin
	if t.Login != "" && t.Login != pl.user.User {
		pl.user.User, pl.user.Password = t.Login, t.Password.Reveal()
	} else if !t.Password.IsZero() {
		pl.user.Password = t.Password.Reveal()
	}
	pl.login = pl.user.User
}

// choosePlace: database, schema, and who owns them.
func (pl *plan) choosePlace() error {
	t := pl.tenant
	pl.database = cmp.Or(t.Database, pl.user.Database)
	pl.schema = t.Schema
	pl.owner = ownerName(t.ID.String())
	pl.ownerOf = "tenant " + t.ID.String()
	switch t.Isolation {
	case registry.IsolationSchema:
	case registry.IsolationDatabase:
		if t.Database == "" {
			return refuse(ErrName, "database is missing: isolation is database")
		}
		pl.schema = cmp.Or(t.Schema, "public")
	case registry.IsolationRow:
		// The owner belongs to the schema, not to one of its tenants.
		pl.owner = ownerName(pl.database + "_" + t.Schema)
		pl.ownerOf = "schema " + t.Schema
	default:
		return refuse(ErrName, "isolation %q is none of schema, database, row", t.Isolation)
	}
	pl.user.Database = pl.database
	return nil
}

// check refuses names that cannot be used.
func (pl *plan) check() error {
	if err := checkName("database", pl.database); err != nil {
		return err
	}
	if err := checkRole(pl.login); err != nil {
		return err
	}
	if err := pl.checkReader(); err != nil {
		return err
	}
	if pl.tenant.Isolation != registry.IsolationDatabase {
		return checkSchema(pl.schema)
	}
	if err := checkOwnDatabase(pl); err != nil || pl.schema == "public" {
		return err
	}
	return checkSchema(pl.schema)
}

// checkOwnDatabase refuses databases that are not a tenant's to have.
func checkOwnDatabase(pl *plan) error {
	switch pl.database {
	case "postgres", "template0", "template1", pl.adminDatabase:
		return refuse(ErrName, "database %q is not a tenant's to have", pl.database)
	}
	return nil
}
