package doctor

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// gate asks what keeps the login of spare_dsn from making its sessions a
// tenant's, or makes it more than that: whether set_user is there, may be
// executed, and whether the login has powers of its own, or members.
const gate = `select
	exists (select from pg_extension where extname = 'set_user'),
	coalesce((select bool_or(has_function_privilege(p.oid, 'EXECUTE') and has_schema_privilege(p.pronamespace, 'USAGE'))
		from pg_proc p join pg_depend d on d.objid = p.oid and d.classid = 'pg_proc'::regclass and d.deptype = 'e'
		join pg_extension e on e.oid = d.refobjid and d.refclassid = 'pg_extension'::regclass
		where e.extname = 'set_user' and p.proname = 'set_session_auth'), false),
	r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolreplication or r.rolbypassrls,
	exists (select from pg_auth_members m where r.oid in (m.member, m.roleid))
	from pg_roles r where r.rolname = session_user`

// spares checks that the login of spare_dsn is fit for what it is there for.
func (c *patient) spares(ctx context.Context) error {
	if c.c.SpareDSN.IsZero() {
		return nil
	}
	field := fmt.Sprintf("clusters.%s.spare_dsn", c.name)
	cfg := c.connectable(ctx, "spare_dsn", c.c.SpareDSN)
	if cfg == nil {
		return nil
	}
	var installed, executable, strong, related bool
	err := lookWith(ctx, cfg, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, gate).Scan(&installed, &executable, &strong, &related)
	})
	if err != nil {
		return err
	}
	database, login := quote(cfg.Database), quote(cfg.User)
	switch {
	case !installed:
		c.found(checkSpares, Error, fmt.Sprintf("%s leads to database %s, which has no extension set_user: there will be no spares", field, cfg.Database),
			fmt.Sprintf("load set_user with shared_preload_libraries and CREATE EXTENSION set_user in %s, or leave spare_dsn out", database))
	case !executable:
		c.found(checkSpares, Error, fmt.Sprintf("the login of %s, %s, may not execute set_session_auth of the extension set_user", field, cfg.User),
			fmt.Sprintf("GRANT USAGE on the extension's schema and EXECUTE on set_session_auth(text) to %s", login))
	}
	if strong || related {
		c.found(checkSpares, Error, fmt.Sprintf("the login of %s, %s, has powers of its own, is a member of a role, or has members: it would be a way around the walls", field, cfg.User),
			fmt.Sprintf("ALTER ROLE %s NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS, and revoke its memberships", login))
	}
	if c.c.Spares == 0 {
		c.found(checkSpares, Info, fmt.Sprintf("%s is given, and no spares are kept", field),
			fmt.Sprintf("set clusters.%s.spares, or leave spare_dsn out", c.name))
	}
	return nil
}
