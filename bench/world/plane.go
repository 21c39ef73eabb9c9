package world

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/registry/seal"
)

// Plane is a database for tenants that a figure makes itself, and a control
// database for their records, both on the world's server.
type Plane struct {
	Clusters map[string]registry.Cluster
	Keyset   registry.Secret

	server *World
	name   string
}

// Plane makes the two databases. Ids and roles of its tenants begin with the
// name and a hyphen or an underscore; Drop takes all of it away again.
func (w *World) Plane(ctx context.Context, name string) (*Plane, error) {
	keyset, err := seal.Generate()
	if err != nil {
		return nil, err
	}
	p := &Plane{Keyset: keyset, server: w, name: name}
	c := registry.ClusterDefaults()
	c.DSN, c.Admin = registry.NewSecret(w.Server.DSN(name, App, password)), registry.NewSecret(p.AdminDSN())
	p.Clusters = map[string]registry.Cluster{Cluster: c}
	if err := p.Drop(ctx); err != nil { // what a run that was cut short left
		return nil, err
	}
	return p, admin(ctx, w.Server.AdminDSN(""), "CREATE DATABASE "+p.name, "CREATE DATABASE "+p.controlName())
}

func (p *Plane) controlName() string { return p.name + "_control" }

// AdminDSN is the superuser's, into the tenants' database.
func (p *Plane) AdminDSN() string { return p.server.Server.AdminDSN(p.name) }

// Exec runs statements as the superuser in the tenants' database.
func (p *Plane) Exec(ctx context.Context, statements ...string) error {
	return admin(ctx, p.AdminDSN(), statements...)
}

// Control is a superuser's connection to the control database. Close it.
func (p *Plane) Control(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, p.server.Server.AdminDSN(p.controlName()))
}

// Start is what a process that serves does: it opens the control database and
// loads all records. Close it.
func (p *Plane) Start(ctx context.Context, plans map[string]registry.Plan) (*control.Database, error) {
	cfg := control.Defaults()
	cfg.DSN, cfg.Keyset = registry.NewSecret(p.server.Server.AdminDSN(p.controlName())), p.Keyset
	db, err := control.New(cfg, control.Options{Clusters: p.Clusters, Plans: plans})
	if err != nil {
		return nil, err
	}
	if err := db.Open(ctx); err != nil {
		return nil, err
	}
	if err := db.Load(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// Drop takes the databases and the roles of the tenants away.
func (p *Plane) Drop(ctx context.Context) error {
	databases, err := p.names(ctx, "SELECT datname FROM pg_database WHERE datname = $1 OR datname ~ $2")
	if err != nil {
		return err
	}
	for i, name := range databases {
		databases[i] = "DROP DATABASE " + pgx.Identifier{name}.Sanitize() + " WITH (FORCE)"
	}
	if err := admin(ctx, p.server.Server.AdminDSN(""), databases...); err != nil {
		return err
	}
	roles, err := p.names(ctx, "SELECT rolname FROM pg_roles WHERE rolname = $1 OR rolname ~ $2")
	if err != nil {
		return err
	}
	for i, name := range roles {
		roles[i] = "DROP ROLE " + pgx.Identifier{name}.Sanitize()
	}
	return admin(ctx, p.server.Server.AdminDSN(""), roles...)
}

// names reads the names that are the plane's.
func (p *Plane) names(ctx context.Context, sql string) (names []string, err error) {
	conn, err := pgx.Connect(ctx, p.server.Server.AdminDSN(""))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	rows, err := conn.Query(ctx, sql, p.name, fmt.Sprintf("^%s[-_]", p.name))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
