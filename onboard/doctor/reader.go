package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// readerOf is the role that may read a tenant's data and no more, "" for none.
func (c *patient) readerOf(t *registry.Tenant) string {
	if !t.DSN.IsZero() {
		return ""
	}
	return t.ReadLogin
}

// readerNames are those that the records have.
func (c *patient) readerNames() []string {
	var names []string
	for _, t := range c.tenants {
		if name := c.readerOf(&t.Tenant); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// strongReaders complains about readers that can do more than an ordinary role.
func (c *patient) strongReaders(ctx context.Context, tx pgx.Tx) error {
	names := c.readerNames()
	if len(names) == 0 {
		return nil
	}
	strong, err := texts(ctx, tx, `select r.rolname::text from pg_roles r where r.rolname = any($1)
		and (r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolreplication or r.rolbypassrls
			or exists (select from pg_auth_members m where m.member = r.oid)) order by 1`, names)
	if err != nil || len(strong) == 0 {
		return err
	}
	c.found(checkPrivileges, Error,
		fmt.Sprintf("%s that should only read has a power of its own or is a member of another role: %s", several(len(strong), "login"), some(strong)),
		fmt.Sprintf("ALTER ROLE %s NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS, and revoke the memberships", quote(strong[0])))
	return nil
}

// writable lists what readers ($1) may change in the schemas of this database
// ($2), and whether all may. To a tenant that owns its schema this is its own
// doing, and it harms nobody else.
const writable = `select distinct case when x.grantee = 0 then 'PUBLIC' else r.rolname::text end || ' on ' || n.nspname || '.' || c.relname
	from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) x left join pg_roles r on r.oid = x.grantee
	where n.nspname = any($2) and (x.grantee = 0 or r.rolname = any($1)) and x.privilege_type not in ('SELECT', 'REFERENCES', 'TRIGGER')
	and (x.privilege_type <> 'USAGE' or c.relkind = 'S') order by 1`

// readers looks whether those that should only read may write in this database.
func (c *patient) readers(ctx context.Context, tx pgx.Tx, database string) error {
	var names, schemas []string
	for _, t := range c.tenants {
		if name := c.readerOf(&t.Tenant); name != "" && c.databaseOf(&t.Tenant) == database {
			names, schemas = append(names, name), append(schemas, t.Schema)
		}
	}
	if len(names) == 0 {
		return nil
	}
	open, err := texts(ctx, tx, writable, names, schemas)
	if err != nil || len(open) == 0 {
		return err
	}
	first := strings.SplitN(open[0], " on ", 2)
	c.foundIn(c.inside(database), checkPrivileges, Warning,
		fmt.Sprintf("who should only read may write, by %s: %s", several(len(open), "right"), some(open)),
		fmt.Sprintf("poolkeeper tenant provision takes from a reader what it was given itself; from everybody: REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON %s FROM PUBLIC", first[1]))
	return nil
}
