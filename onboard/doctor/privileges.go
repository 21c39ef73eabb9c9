package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// powers is what the catalogue says of the role of a session.
type powers struct {
	name                           string
	super, createRole, createDB    bool
	replication, bypassRowPolicies bool
}

func (p *powers) ask(ctx context.Context, tx pgx.Tx) error {
	return tx.QueryRow(ctx, `select rolname::text, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls
		from pg_roles where rolname = current_user`).
		Scan(&p.name, &p.super, &p.createRole, &p.createDB, &p.replication, &p.bypassRowPolicies)
}

// privileges checks that the administrator can do its work, and that the login
// of tenants and their readers can do no more than theirs.
func (c *patient) privileges(ctx context.Context) error {
	var login powers
	err := lookWith(ctx, c.dsn, func(tx pgx.Tx) error {
		if err := login.ask(ctx, tx); err != nil {
			return err
		}
		return c.strongReaders(ctx, tx)
	})
	if err != nil {
		return err
	}
	c.tooStrong(login)
	if c.admin == nil {
		return nil // told
	}
	return lookWith(ctx, c.admin, func(tx pgx.Tx) error { return c.administrator(ctx, tx) })
}

// tooStrong complains about a login of tenants that walls do not hold.
func (c *patient) tooStrong(login powers) {
	shared := slices.ContainsFunc(c.tenants, func(r *control.Record) bool { return c.loginOf(&r.Tenant) == login.name })
	severity := Warning
	if shared {
		severity = Error
	}
	switch {
	case login.super:
		c.found(checkPrivileges, severity, fmt.Sprintf("the login of clusters.%s.dsn, %s, is a superuser: no privilege and no row policy holds it", c.name, login.name),
			"make an ordinary role for dsn, and keep the superuser for admin if at all")
	case login.createRole || login.createDB || login.replication || login.bypassRowPolicies:
		c.found(checkPrivileges, severity, fmt.Sprintf("the login of clusters.%s.dsn, %s, has CREATEROLE, CREATEDB, REPLICATION or BYPASSRLS, which no tenant needs", c.name, login.name),
			fmt.Sprintf("ALTER ROLE %s NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS", quote(login.name)))
	}
}

// administrator lists what the administrator lacks. A superuser lacks nothing.
func (c *patient) administrator(ctx context.Context, tx pgx.Tx) error {
	var admin powers
	if err := admin.ask(ctx, tx); err != nil || admin.super {
		return err
	}
	who := fmt.Sprintf("the administrator %s", admin.name)
	if !admin.createRole {
		c.found(checkPrivileges, Error, who+" lacks CREATEROLE, without which no tenant gets a login",
			fmt.Sprintf("ALTER ROLE %s CREATEROLE, as a superuser", quote(admin.name)))
	}
	if needs := c.withDatabases(); !admin.createDB && len(needs) > 0 {
		c.found(checkPrivileges, Error, fmt.Sprintf("%s lacks CREATEDB, and %s a database of their own: %s", who, wants(len(needs)), some(needs)),
			fmt.Sprintf("ALTER ROLE %s CREATEDB, as a superuser", quote(admin.name)))
	}
	if err := c.ownership(ctx, tx, who, admin.name); err != nil {
		return err
	}
	return c.membership(ctx, tx, who, admin.name)
}

func wants(n int) string {
	if n == 1 {
		return "1 tenant wants"
	}
	return fmt.Sprintf("%d tenants want", n)
}

// withDatabases are the tenants of database isolation that are provisioned.
func (c *patient) withDatabases() []registry.ID {
	var ids []registry.ID
	for _, t := range c.tenants {
		if t.Isolation == registry.IsolationDatabase && t.DSN.IsZero() {
			ids = append(ids, t.ID)
		}
	}
	return ids
}

// ownership finds databases in which the administrator may not make schemas,
// and cannot say who may connect.
func (c *patient) ownership(ctx context.Context, tx pgx.Tx, who, admin string) error {
	foreign, err := texts(ctx, tx, `select datname::text from pg_database
		where datname = any($1) and not pg_has_role(current_user, datdba, 'USAGE') order by 1`, c.homes())
	for _, database := range foreign {
		c.foundIn(c.inside(database), checkPrivileges, Error, who+" does not own it: it can neither make schemas there nor say who may connect",
			fmt.Sprintf("ALTER DATABASE %s OWNER TO %s, as a superuser", quote(database), quote(admin)))
	}
	return err
}

// membership finds roles of ours that the administrator cannot act for. Up to
// PostgreSQL 15 CREATEROLE suffices for every role; from 16 on a role's maker
// has it with ADMIN OPTION, and nobody else.
func (c *patient) membership(ctx context.Context, tx pgx.Tx, who, admin string) error {
	if c.major < 16 {
		return nil
	}
	foreign, err := texts(ctx, tx, `select r.rolname::text from pg_roles r
		join pg_shdescription d on d.objoid = r.oid and d.classoid = 'pg_authid'::regclass and d.description like 'poolkeeper: %'
		where not exists (select from pg_auth_members m join pg_roles u on u.oid = m.member
			where m.roleid = r.oid and m.admin_option and u.rolname = current_user)
		and r.rolname <> current_user order by 1`)
	if err != nil || len(foreign) == 0 {
		return err
	}
	c.found(checkPrivileges, Error,
		fmt.Sprintf("%s may not act for %s that Poolkeeper made (PostgreSQL %d wants ADMIN OPTION): %s", who, several(len(foreign), "role"), c.major, some(foreign)),
		fmt.Sprintf("GRANT %s TO %s WITH ADMIN OPTION, as a superuser, and likewise for the others", quote(foreign[0]), quote(admin)))
	return nil
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// publicMay lists what everybody may do in this database, and one tenant could
// use against the others. Onboarding ends it as far as the administrator can.
const publicMay = `select array_remove(array[
	case when has_database_privilege('public', current_database(), 'CONNECT') then 'connect' end,
	case when exists (select from pg_namespace where nspname = 'public') and has_schema_privilege('public', 'public', 'CREATE')
		then 'create tables in the schema public' end,
	case when has_function_privilege('public', 'pg_advisory_lock(bigint)', 'EXECUTE') then 'take advisory locks until the server has none left' end,
	case when has_function_privilege('public', 'lo_create(oid)', 'EXECUTE') then 'fill the disk with large objects' end,
	case when has_table_privilege('public', 'pg_stat_activity', 'SELECT') then 'see the sessions of others' end], null)`

// openRights looks at a database in which tenants live.
func (c *patient) openRights(ctx context.Context, tx pgx.Tx, database string) error {
	if len(c.schemasIn(database)) == 0 {
		return nil
	}
	var open []string
	if err := tx.QueryRow(ctx, publicMay).Scan(&open); err != nil || len(open) == 0 {
		return err
	}
	c.foundIn(c.inside(database), checkPrivileges, Info, "every role may "+strings.Join(open, ", ")+" there",
		"run the statements that the server's log has after onboarding (\"PUBLIC may do more\"), as a superuser")
	return nil
}
