package world

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/registry"
)

const (
	// MaxConnections of the server: room for several ways beside each other,
	// each within its own budget.
	MaxConnections = 400
	// Budget is how many connections each way may have.
	Budget = 50
	// App is the login that the tenants share.
	App = "app"
	// Limited is App's twin whom the server itself refuses more connections
	// than Budget, for ways that keep to no budget of their own.
	Limited = "limited"
	// gateway is the login of spares for tenants with a login of their own.
	gateway = "gateway"

	database = "bench"
	password = "pw" // of every login here; the server is private and short-lived
	// Rows is how many each tenant has: ids 1 to Rows.
	Rows = 10
)

// Tenant is one of the world's tenants.
type Tenant struct {
	ID     registry.ID
	Name   string
	Schema string
	Login  string // its own; "" means App
}

// World is the server with its tenants.
type World struct {
	Server *pgtest.Server
	// Tenants share the login App; Owners have each their own.
	Tenants, Owners []Tenant
	// SetUser says that the server has the extension set_user.
	SetUser bool
	// NoTLS is why there is no TLS, nil when there is.
	NoTLS error

	remote string // App's DSN, when another process runs the server
}

// Remote is a world whose server another process runs: there is nothing but
// the shared tenants, and their login's connection string.
func Remote(dsn string, tenants int) *World {
	w := &World{remote: dsn}
	for i := range tenants {
		w.Tenants = append(w.Tenants, newTenant("t", i, ""))
	}
	return w
}

// Options of a World.
type Options struct {
	Tenants, Owners int
	// SetUser has the server load the extension set_user.
	SetUser bool
}

// Settings are what the server is started with: it syncs nothing, because no
// figure is about its disk, and no vacuum runs between the rounds.
func Settings(o Options) map[string]string {
	settings := map[string]string{
		"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
		"max_connections": strconv.Itoa(MaxConnections), "max_wal_size": "256MB", "autovacuum": "off",
	}
	if o.SetUser {
		settings["shared_preload_libraries"] = "set_user"
	}
	return settings
}

// New makes a world on a server that was started with Settings.
func New(ctx context.Context, server *pgtest.Server, o Options) (*World, error) {
	w := &World{Server: server, SetUser: o.SetUser}
	for i := range o.Tenants {
		w.Tenants = append(w.Tenants, newTenant("t", i, ""))
	}
	for i := range o.Owners {
		w.Owners = append(w.Owners, newTenant("o", i, "own"))
	}
	if err := w.makeServer(ctx); err != nil {
		return nil, fmt.Errorf("world: preparing the server: %w", err)
	}
	if err := w.makeTenants(ctx); err != nil {
		return nil, fmt.Errorf("world: making tenants: %w", err)
	}
	return w, nil
}

func newTenant(mark string, i int, login string) Tenant {
	name := fmt.Sprintf("%s%04d", mark, i)
	t := Tenant{ID: registry.MustParseID(name), Name: name, Schema: "s_" + name}
	if login != "" {
		t.Login = login + "_" + name
	}
	return t
}

// Record is the tenant's record for a registry.
func (t Tenant) Record() *registry.Tenant {
	r := &registry.Tenant{
		ID: t.ID, Name: t.Name, Status: registry.StatusActive, Cluster: Cluster,
		Isolation: registry.IsolationSchema, Schema: t.Schema, Login: t.Login,
	}
	if t.Login != "" {
		r.Password = registry.NewSecret(password)
	}
	return r
}

// SQL reads one row by its id on a session that is the tenant's.
const SQL = "SELECT tenant FROM items WHERE id = $1"

// Qualified is SQL for a session that is nobody's.
func (t Tenant) Qualified() string {
	return "SELECT tenant FROM " + pgx.Identifier{t.Schema, "items"}.Sanitize() + " WHERE id = $1"
}

// DSN reaches the tenants' database with a login, plain.
func (w *World) DSN(login string) string {
	if w.remote != "" {
		return w.remote
	}
	return w.Server.DSN(database, login, password)
}

// SecureDSN is DSN over TLS, where the login is asked for its password.
func (w *World) SecureDSN(login string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(login, password), Path: "/" + database,
		Host: "127.0.0.1:" + strconv.Itoa(w.Server.Port()), RawQuery: "sslmode=require",
	}
	return u.String()
}

// GatewayDSN is that of the login which may become any tenant's.
func (w *World) GatewayDSN() string { return w.DSN(gateway) }

// Admin is a superuser's connection. Close it.
func (w *World) Admin(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, w.Server.AdminDSN(database))
}

// admin runs statements as the superuser.
func admin(ctx context.Context, dsn string, statements ...string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%.60s: %w", sql, err)
		}
	}
	return nil
}
