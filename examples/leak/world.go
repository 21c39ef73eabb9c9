package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

const (
	// public owns the shared tables, which visitors without a tenant read.
	public = "public"
	// login is the application's role: one for all tenants, as usual.
	login = "app"
	// password belongs to login; the server is private and short-lived.
	password = "app"
)

// tenantName is also the name of the tenant's schema.
func tenantName(i int) string { return fmt.Sprintf("tenant-%03d", i) }

// createWorld makes the login, and the table items in public and in one schema
// for each tenant. Its only row names the owner.
func createWorld(ctx context.Context, adminDSN string, tenants int) error {
	conn, err := pgx.Connect(ctx, adminDSN)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var sql strings.Builder
	fmt.Fprintf(&sql, "CREATE ROLE %s LOGIN PASSWORD '%s' NOSUPERUSER;\n", login, password)
	writeItems(&sql, public)
	for i := range tenants {
		writeItems(&sql, tenantName(i))
	}
	_, err = conn.Exec(ctx, sql.String())
	return err
}

func writeItems(sql *strings.Builder, schema string) {
	name := pgx.Identifier{schema}.Sanitize()
	fmt.Fprintf(sql, `
		CREATE SCHEMA IF NOT EXISTS %[1]s;
		GRANT USAGE ON SCHEMA %[1]s TO %[2]s;
		CREATE TABLE %[1]s.items (owner text NOT NULL);
		INSERT INTO %[1]s.items VALUES ('%[3]s');
		GRANT SELECT ON %[1]s.items TO %[2]s;
	`, name, login, schema)
}

// awaitGone returns when the server has seen the application's connections off:
// a backend outlives its client's close by a moment, and the next way must not
// pay for the connections of the last.
func awaitGone(ctx context.Context, adminDSN string) error {
	conn, err := pgx.Connect(ctx, adminDSN)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for left := 1; left > 0; {
		err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity, pg_sleep(0.01) WHERE usename = $1", login).Scan(&left)
		if err != nil {
			return err
		}
	}
	return nil
}
