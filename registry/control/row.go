package control

import (
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// servedColumns are what serving needs of a record, in the order of row.served.
const servedColumns = `t.id, t.version, t.created_at, t.again, t.name, t.status, t.plan, t.cluster, t.isolation, t.schema_name, t.database_name,
	t.login, t.password, t.next_password, t.read_login, t.read_password, t.dsn, t.ddl, t.limits, t.labels`

// recordColumns are the rest, in the order of row.rest.
const recordColumns = `t.state, t.declared, t.reason, t.deleting, t.cloned_from, t.place, t.updated_at,
	coalesce(m.version, -1), coalesce(m.error, '')`

const (
	selectServed  = "SELECT " + servedColumns + " FROM poolkeeper.tenants t"
	selectRecords = "SELECT " + servedColumns + ", " + recordColumns +
		" FROM poolkeeper.tenants t LEFT JOIN poolkeeper.migrated m ON m.tenant = t.id"
)

// row is a row of tenants, with the mirror of its migrations.
type row struct {
	id                       registry.ID
	version                  int64
	created                  time.Time
	again                    bool
	name, status             string
	plan, cluster, isolation string
	schema, database, login  string
	readLogin                string
	password, next           string // as they are stored; so are the next two
	readPassword, dsn        string
	ddl                      bool
	limits                   storedLimits
	labels                   map[string]string
	state, declared, reason  string
	deleting                 bool
	clonedFrom               registry.ID
	place                    string
	updated                  time.Time
	migrated                 int64
	migrationError           string
}

func (w *row) served() []any {
	return []any{
		(*storedID)(&w.id), &w.version, &w.created, &w.again, &w.name, &w.status, &w.plan, &w.cluster, &w.isolation, &w.schema, &w.database,
		&w.login, &w.password, &w.next, &w.readLogin, &w.readPassword, &w.dsn, &w.ddl, &w.limits, (*storedLabels)(&w.labels),
	}
}

func (w *row) all() []any {
	return append(w.served(), &w.state, &w.declared, &w.reason, &w.deleting, &optionalID{&w.clonedFrom}, &w.place, &w.updated,
		&w.migrated, &w.migrationError)
}

// tenant is what the row says, without secrets and with its own limits.
func (w *row) tenant() registry.Tenant {
	t := registry.Tenant{
		ID: w.id, Name: w.name, Status: registry.Status(w.status), Plan: w.plan, Cluster: w.cluster,
		Isolation: registry.Isolation(w.isolation), Schema: w.schema, Database: w.database, Login: w.login, ReadLogin: w.readLogin,
		Limits: w.limits.limits(), DDL: w.ddl, Labels: w.labels, Version: uint64(w.version), //nolint:gosec // the sequence begins at 1
		Born: uint64(w.created.UnixMicro()),
	}
	if w.again {
		t.Since = w.created
	}
	return t
}

// stored are the columns that a program writes, in the order of row.values.
const stored = `name, state, declared, reason, deleting, cloned_from, plan, cluster, isolation, schema_name, database_name,
	place, login, password, next_password, read_login, read_password, dsn, ddl, limits, labels`

// rowOf is what a record stores, but for its secrets.
func (d *Database) rowOf(r *Record) *row {
	return &row{
		id: r.ID, name: r.Name, state: string(r.State), declared: string(r.Declared), reason: r.Reason,
		deleting: r.Deleting, clonedFrom: r.ClonedFrom, plan: r.Plan, cluster: r.Cluster, isolation: string(r.Isolation),
		schema: r.Schema, database: r.Database, place: d.places.of(&r.Tenant), login: r.Login, readLogin: r.ReadLogin, ddl: r.DDL,
		limits: limitsOf(r.Own), labels: r.Labels,
	}
}

func (w *row) values() []any {
	labels := w.labels
	if labels == nil {
		labels = map[string]string{}
	}
	return []any{
		w.name, w.state, w.declared, w.reason, w.deleting, w.clonedFrom.String(), w.plan, w.cluster, w.isolation, w.schema, w.database,
		w.place, w.login, w.password, w.next, w.readLogin, w.readPassword, w.dsn, w.ddl, w.limits, labels,
	}
}
