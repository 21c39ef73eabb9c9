package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
)

// oldest is the first version of PostgreSQL that is supported.
const oldest = 15

// notPermitted is PostgreSQL's code for a privilege that is missing.
const notPermitted = "42501"

// reach tries the cluster's connection strings. It reports whether the server
// answers on its dsn, without which nothing else can be said of it.
func (c *patient) reach(ctx context.Context) bool {
	c.report.checked(checkReach)
	c.dsn = c.connectable(ctx, "dsn", c.c.DSN)
	if c.dsn == nil {
		return false
	}
	c.version()
	if c.c.Admin.IsZero() {
		c.found(checkReach, Info, "has no admin, so tenants cannot be provisioned, and the doctor sees only what the login of dsn may",
			fmt.Sprintf("set clusters.%s.admin to a connection string with the role that makes roles and schemas", c.name))
		return true
	}
	c.admin = c.connectable(ctx, "admin", c.c.Admin)
	return true
}

// connectable returns where a connection string leads, once that was tried.
func (c *patient) connectable(ctx context.Context, key string, dsn registry.Secret) *pgx.ConnConfig {
	field := fmt.Sprintf("clusters.%s.%s", c.name, key)
	cfg, ok := c.target(dsn)
	if !ok {
		c.found(checkReach, Error, field+" is no connection string",
			"write postgres://login:password@host:port/database, or key=value pairs")
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	err := lookWith(ctx, cfg, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `select current_setting('server_version'), current_setting('server_version_num')::int / 10000,
			array(select datname::text from pg_database)`).Scan(&c.release, &c.major, &c.databases)
	})
	if err != nil {
		c.found(checkReach, Error, fmt.Sprintf("%s does not lead to a session: %v", field, err), unreached(cfg, err))
		return nil
	}
	return cfg
}

// unreached says what to do about a connection string that leads to no session.
// Onboarding takes CONNECT from PUBLIC, and gives it to tenants' logins alone.
func unreached(cfg *pgx.ConnConfig, err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == notPermitted {
		return fmt.Sprintf("GRANT CONNECT ON DATABASE %s TO %s, as the owner of the database", quote(cfg.Database), quote(cfg.User))
	}
	return "see that the server runs, that this machine may reach it (listen_addresses, pg_hba.conf, firewalls), and that login and password are right"
}

// version complains about a server that is too old.
func (c *patient) version() {
	c.report.checked(checkVersion)
	if c.major < oldest {
		c.found(checkVersion, Error, fmt.Sprintf("runs PostgreSQL %s; the oldest that is supported is %d", c.release, oldest),
			"upgrade the server")
	}
}
