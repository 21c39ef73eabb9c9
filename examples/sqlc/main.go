// Command sqlc shows that code which sqlc generated runs on a lease, unchanged.
// It starts a private PostgreSQL, makes two tenants with a schema and a login of
// their own, and has each keep its books:
//
//	go run ./examples/sqlc
//
// The queries are in query.sql, the tables in migrations; folder db is what
// "sqlc generate" makes of them. Nothing in either speaks of tenants.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/poolkeeper/poolkeeper/examples/sqlc/db"
	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

func main() {
	migrations := flag.String("migrations", "examples/sqlc/migrations", "`folder` of the tenants' migrations")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *migrations, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sqlc:", err)
		os.Exit(1)
	}
}

// run demonstrates on a server of its own.
func run(ctx context.Context, migrations string, out io.Writer) (err error) {
	server, err := pgtest.Start(ctx, pgtest.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(context.WithoutCancel(ctx))) }()
	return demonstrate(ctx, place{server, "postgres", migrations}, out)
}

// place is where the tenants live, and what their tables are.
type place struct {
	server     *pgtest.Server
	database   string
	migrations string // a folder
}

// demonstrate makes the tenants and shows their books.
func demonstrate(ctx context.Context, at place, out io.Writer) (err error) {
	keeper, err := openTenants(ctx, at, "acme", "globex")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeKeeper(ctx, keeper)) }()
	for i, name := range []string{"acme", "globex"} {
		if err := keepBooks(ctx, keeper, registry.MustParseID(name), int64(100*(i+1)), out); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// openTenants makes tenants and returns a keeper that lends their pools.
func openTenants(ctx context.Context, at place, names ...string) (*pools.Keeper, error) {
	clusters := map[string]registry.Cluster{"main": {
		DSN:   registry.NewSecret(at.server.DSN(at.database, "app", "app")),
		Admin: registry.NewSecret(at.server.AdminDSN(at.database)),
	}}
	var tenants []*registry.Tenant
	for _, name := range names {
		tenants = append(tenants, &registry.Tenant{
			ID: registry.MustParseID(name), Status: registry.StatusActive, Cluster: "main",
			Isolation: registry.IsolationSchema, Schema: name, Login: name, Password: registry.NewSecret("secret of " + name),
		})
	}
	if err := provision(ctx, at, clusters, tenants); err != nil {
		return nil, err
	}
	source, err := registry.NewStatic(clusters, tenants...)
	if err != nil {
		return nil, err
	}
	records, err := registry.New(registry.Defaults(), source, nil)
	if err != nil {
		return nil, err
	}
	cfg := pools.Defaults()
	cfg.Clusters = clusters
	cfg.SQL = pools.Trusted // it is this program's own
	return pools.New(cfg, records, nil)
}

// provision makes each tenant's login and schema, and runs the migrations.
func provision(ctx context.Context, at place, clusters map[string]registry.Cluster, tenants []*registry.Tenant) error {
	cfg := onboard.Defaults()
	cfg.Migrations = at.migrations
	provisioner, err := onboard.New(cfg, clusters, slog.New(slog.DiscardHandler)) //nolint:contextcheck // reading migration files takes no time worth a context
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if err := provisioner.Provision(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func closeKeeper(ctx context.Context, keeper *pools.Keeper) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return keeper.Close(ctx)
}

// keepBooks is what an application does for one request.
func keepBooks(ctx context.Context, keeper *pools.Keeper, id registry.ID, funds int64, out io.Writer) error {
	lease, err := keeper.Lease(ctx, id)
	if err != nil {
		return err
	}
	defer lease.Release()
	if err := openAccounts(ctx, lease, map[string]int64{"cash": funds, "sales": 0}); err != nil {
		return err
	}
	if err := transfer(ctx, lease, "cash", "sales", funds/4); err != nil {
		return err
	}
	accounts, err := db.New(lease).Accounts(ctx)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		fmt.Fprintf(out, "%s: %s has %d\n", id, a.Name, a.Balance)
	}
	return nil
}
