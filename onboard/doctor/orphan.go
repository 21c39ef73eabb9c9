package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// ours lists the roles that Poolkeeper made, with what their comments say.
const ours = `select r.rolname::text, d.description
	from pg_roles r join pg_shdescription d on d.objoid = r.oid and d.classoid = 'pg_authid'::regclass
	where d.description like 'poolkeeper: %' order by 1`

// owned lists the databases that a role of ours owns, with the role's comment.
const owned = `select b.datname::text, d.description
	from pg_database b join pg_shdescription d on d.objoid = b.datdba and d.classoid = 'pg_authid'::regclass
	where d.description like 'poolkeeper: %' order by 1`

// lives lists the schemas that a role of ours owns, with the role's comment.
const lives = `select n.nspname::text, d.description
	from pg_namespace n join pg_shdescription d on d.objoid = n.nspowner and d.classoid = 'pg_authid'::regclass
	where d.description like 'poolkeeper: %' order by 1`

// orphans finds what was made for tenants that nobody knows, and tenants for
// whom nothing is there.
func (c *patient) orphans(ctx context.Context) error {
	if c.Records == nil || c.admin == nil {
		return errSkip
	}
	return lookWith(ctx, c.admin, func(tx pgx.Tx) error {
		if err := c.unknown(ctx, tx, "role", c.subject(), ours); err != nil {
			return err
		}
		if err := c.unknown(ctx, tx, "database", c.subject(), owned); err != nil {
			return err
		}
		roles, err := texts(ctx, tx, "select rolname::text from pg_roles")
		if err != nil {
			return err
		}
		c.missing("role", roles, c.loginOf)
		c.missing("role", roles, c.readerOf)
		c.missing("database", c.databases, c.databaseOf)
		return nil
	})
}

// schemas looks for both in one database.
func (c *patient) schemas(ctx context.Context, tx pgx.Tx, database string) error {
	if c.Records == nil || c.admin == nil {
		return errSkip
	}
	if err := c.unknown(ctx, tx, "schema", c.inside(database), lives); err != nil {
		return err
	}
	there, err := texts(ctx, tx, "select nspname::text from pg_namespace")
	if err != nil {
		return err
	}
	c.missing("schema", there, func(t *registry.Tenant) string {
		if c.databaseOf(t) != database || t.Isolation == registry.IsolationDatabase {
			return ""
		}
		return t.Schema
	})
	return nil
}

// unknown tells of things that the comment of a role says are a tenant's of
// whom there is no record.
func (c *patient) unknown(ctx context.Context, tx pgx.Tx, kind, subject, query string) error {
	things, err := made(ctx, tx, query)
	if err != nil {
		return err
	}
	var left []string
	for _, m := range things {
		if of, ok := tenantOf(m.Comment); ok && !c.known[of] {
			left = append(left, fmt.Sprintf("%s (of tenant %s)", m.Name, of))
		}
	}
	if len(left) == 0 {
		return nil
	}
	c.foundIn(subject, checkOrphan, Warning,
		fmt.Sprintf("%s made for tenants without a record: %s", were(len(left), kind), some(left)),
		"if nobody needs the data, drop what is named; else give the tenant its record back with the same names (poolkeeper tenant add)")
	return nil
}

// thing is what was made for somebody.
type thing struct{ Name, Comment string }

func made(ctx context.Context, tx pgx.Tx, query string) ([]thing, error) {
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	things, err := pgx.CollectRows(rows, pgx.RowToStructByPos[thing])
	if err == nil {
		err = rows.Err()
	}
	return things, err
}

func were(n int, kind string) string {
	if n == 1 {
		return "1 " + kind + " was"
	}
	return fmt.Sprintf("%d %ss were", n, kind)
}

// tenantOf reads the comment that onboarding gives roles: "poolkeeper: login of
// tenant acme in database app".
func tenantOf(comment string) (registry.ID, bool) {
	_, rest, ok := strings.Cut(comment, " of tenant ")
	if !ok {
		return registry.ID{}, false // a shared one
	}
	name, _, _ := strings.Cut(rest, " ")
	id, err := registry.ParseID(name)
	return id, err == nil
}

// missing tells of tenants whose thing is not among those that are there. A
// pending one has none yet, and one that is being deleted none any more.
func (c *patient) missing(kind string, there []string, of func(*registry.Tenant) string) {
	have := make(map[string]bool, len(there))
	for _, name := range there {
		have[name] = true
	}
	for _, t := range c.tenants {
		name := of(&t.Tenant)
		if name == "" || have[name] || t.State == registry.StatusPending || t.Status == registry.StatusPending || t.Deleting {
			continue
		}
		c.foundIn("tenant "+t.ID.String(), checkOrphan, Error, fmt.Sprintf("its %s %s is not on the server of cluster %s", kind, name, c.name),
			fmt.Sprintf("restore it from a backup, or make it anew and empty with: poolkeeper tenant provision %s", t.ID))
	}
}
