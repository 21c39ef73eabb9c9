package doctor

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// alike lists relations of tenants' schemas that have the name of one in a
// schema that others see too: that schema, the name, how many tenants.
const alike = `select n.nspname::text, s.relname::text, count(*)::int
	from pg_class s join pg_namespace n on n.oid = s.relnamespace
	join pg_class t on t.relname = s.relname
	join pg_namespace own on own.oid = t.relnamespace
	where n.nspname = any($1) and own.nspname = any($2) and n.nspname <> own.nspname
	and s.relkind in ('r', 'p', 'v', 'm', 'f') and t.relkind in ('r', 'p', 'v', 'm', 'f')
	group by 1, 2 order by 1, 2`

// shadow finds tables that exist twice. With a tail, who forgets a table in one
// tenant's schema reads and writes the shared one in its place, and nobody is
// told; without, a session whose search path was lost does.
func (c *patient) shadow(ctx context.Context, tx pgx.Tx, database string) error {
	own := c.schemasIn(database)
	others := slices.Clone(c.SearchPathTail)
	if !slices.Contains(others, "public") {
		others = append(others, "public")
	}
	rows, err := tx.Query(ctx, alike, others, own)
	if err != nil {
		return err
	}
	defer rows.Close()
	twice := map[string][]string{}
	for rows.Next() {
		var schema, table string
		var tenants int
		if err := rows.Scan(&schema, &table, &tenants); err != nil {
			return err
		}
		twice[schema] = append(twice[schema], fmt.Sprintf("%s (in %s)", table, several(tenants, "schema")))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, schema := range others {
		if tables := twice[schema]; len(tables) > 0 {
			c.twice(database, schema, tables)
		}
	}
	return nil
}

func (c *patient) twice(database, schema string, tables []string) {
	message := fmt.Sprintf("tables of tenants have the name of one in schema %s: %s", schema, some(tables))
	if slices.Contains(c.SearchPathTail, schema) {
		c.foundIn(c.inside(database), checkShadow, Warning,
			message+"; it is in search_path_tail, so a tenant without that table uses the shared one unnoticed",
			"rename or drop the tables in "+schema+", or take it out of pools.search_path_tail")
		return
	}
	c.foundIn(c.inside(database), checkShadow, Info,
		message+"; SQL that runs without a tenant's search path would use these",
		"drop the tables in "+schema+" if nothing needs them")
}

// schemasIn are those of the tenants in a database, each once.
func (c *patient) schemasIn(database string) []string {
	schemas := []string{}
	for _, t := range c.tenants {
		if c.databaseOf(&t.Tenant) == database && t.Schema != "" && t.Isolation != registry.IsolationDatabase {
			schemas = append(schemas, t.Schema)
		}
	}
	slices.Sort(schemas)
	return slices.Compact(schemas)
}
