package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// as runs fn with a lease of one database of dev's server as its
// administrator. It goes the way of every program on the library: a source, a
// keeper, a lease.
func (d *database) as(ctx context.Context, name string, fn func(*pools.Lease) error) (err error) {
	// A database that is a tenant's own cannot be the cluster's at once.
	admin := *d.admin
	admin.Path = "/template1"
	clusters := map[string]registry.Cluster{"dev": {DSN: registry.NewSecret(admin.String())}}
	id := registry.MustParseID("administrator")
	source, err := registry.NewStatic(clusters, &registry.Tenant{
		ID: id, Status: registry.StatusActive, Cluster: "dev", Isolation: registry.IsolationDatabase, Database: name,
	})
	if err != nil {
		return err
	}
	cfg := pools.Defaults()
	cfg.Clusters, cfg.SQL = clusters, pools.Trusted
	keeper, err := pools.New(cfg, source, nil)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, keeper.Close(closing))
	}()
	lease, err := keeper.Lease(ctx, id)
	if err != nil {
		return err
	}
	defer lease.Release()
	return fn(lease)
}

// prepare checks the server and makes the database that the tenants with
// schemas live in.
func (d *database) prepare(ctx context.Context, name string) error {
	return d.as(ctx, d.admin.Path[1:], func(l *pools.Lease) error {
		var number int
		var version, create string
		var exists bool
		err := l.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_version'),
			exists(SELECT FROM pg_database WHERE datname = $1), format('CREATE DATABASE %I', $1::text)`, name).
			Scan(&number, &version, &exists, &create)
		if err != nil {
			return fmt.Errorf("%s cannot be used: %s", d.what, lastLine(err))
		}
		if err := checkVersion(d.what, version, number); err != nil {
			return err
		}
		if !exists {
			_, err = l.Exec(ctx, create)
		}
		return err
	})
}

// checkVersion takes the server's version as text and as its number (150004).
func checkVersion(what, version string, number int) error {
	if number/10000 < pgtest.MinMajor {
		return fmt.Errorf("%s is version %s, but %d or later is needed", what, version, pgtest.MinMajor)
	}
	return nil
}

// publicTables runs the file public.sql beside the folder of the migrations,
// when there is one: tables that no tenant should find by accident.
func (d *database) publicTables(ctx context.Context, name, migrations string) error {
	if migrations == "" {
		return nil
	}
	path := filepath.Join(filepath.Dir(migrations), "public.sql")
	script, err := os.ReadFile(path) //nolint:gosec // the configuration names the folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.as(ctx, name, func(l *pools.Lease) error {
		if _, err := l.Exec(ctx, string(script)); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	})
}

// lastLine is the most telling part of the driver's errors, which list every
// try.
func lastLine(err error) string {
	text := strings.TrimSpace(err.Error())
	return strings.TrimSpace(text[strings.LastIndex(text, "\n")+1:])
}

// databaseOf is the database of a connection string.
func databaseOf(dsn registry.Secret) string {
	u, err := url.Parse(dsn.Reveal())
	if err != nil || len(u.Path) < 2 {
		return "postgres"
	}
	return u.Path[1:]
}
