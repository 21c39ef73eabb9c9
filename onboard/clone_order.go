package onboard

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// rowTable is a table whose rows are copied: partitions go with the whole.
type rowTable struct {
	Name        string
	Partitioned bool
	Forced      bool     // row security holds the owner too
	Binary      bool     // no value names an object by its number
	Tenant      string   // under row isolation the type of tenant_id
	Columns     []string // without generated ones
}

// foreignKey says that one table's rows have to be there before another's.
type foreignKey struct{ Name, Table, Needs string }

// tablesOf lists the tables of a schema in an order in which their foreign
// keys can be met.
func (c *copying) tablesOf(ctx context.Context, tx pgx.Tx, pl *plan) ([]rowTable, error) {
	const query = `select c.relname::text, c.relkind = 'p', c.relrowsecurity and c.relforcerowsecurity,
		not exists (select from pg_attribute a join pg_type t on t.oid = a.atttypid
			where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and (t.oid >= 16384 or t.typname ~ '^_?reg')), '',
		array(select a.attname::text from pg_attribute a
			where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum)
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> $2 order by 1`
	rows, err := tx.Query(ctx, query, pl.schema, versionTable)
	if err != nil {
		return nil, err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[rowTable])
	if err != nil {
		return nil, err
	}
	var forced []string
	for _, t := range tables {
		if t.Forced {
			forced = append(forced, t.Name)
		}
	}
	if len(forced) > 0 {
		return nil, refuse(ErrClone, "row security is forced on the tables %s, so their owner cannot tell whether it reads all rows; take FORCE ROW LEVEL SECURITY from them",
			strings.Join(forced, ", "))
	}
	keys, err := foreignKeys(ctx, tx, pl)
	if err != nil {
		return nil, err
	}
	return inOrder(tables, keys)
}

// foreignKeys lists those that are checked at once. The deferrable ones are
// deferred, and a table's own are checked when all its rows are there.
func foreignKeys(ctx context.Context, tx pgx.Tx, pl *plan) ([]foreignKey, error) {
	const query = `select k.conname::text, t.relname::text, f.relname::text from pg_constraint k
		join pg_class t on t.oid = coalesce(pg_partition_root(k.conrelid), k.conrelid)
		join pg_class f on f.oid = coalesce(pg_partition_root(k.confrelid), k.confrelid)
		where k.contype = 'f' and not k.condeferrable and t.oid <> f.oid
		and t.relnamespace = (select oid from pg_namespace where nspname = $1) and f.relnamespace = t.relnamespace order by 1`
	rows, err := tx.Query(ctx, query, pl.schema)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[foreignKey])
}

// inOrder sorts the tables so that each comes after those that it needs.
func inOrder(tables []rowTable, keys []foreignKey) ([]rowTable, error) {
	var ordered []rowTable
	keys = slices.Clone(keys)
	for len(tables) > 0 {
		needs := func(t rowTable) bool {
			return slices.ContainsFunc(keys, func(k foreignKey) bool { return k.Table == t.Name })
		}
		next := slices.IndexFunc(tables, func(t rowTable) bool { return !needs(t) })
		if next < 0 {
			return nil, cyclic(keys)
		}
		t := tables[next]
		ordered = append(ordered, t)
		tables = slices.Concat(tables[:next], tables[next+1:])
		keys = slices.DeleteFunc(keys, func(k foreignKey) bool { return k.Needs == t.Name })
	}
	return ordered, nil
}

// cyclic names the keys that form a cycle: what is left when those of tables
// that nobody needs have gone.
func cyclic(keys []foreignKey) error {
	for {
		left := slices.DeleteFunc(slices.Clone(keys), func(k foreignKey) bool {
			return !slices.ContainsFunc(keys, func(other foreignKey) bool { return other.Needs == k.Table })
		})
		if len(left) == len(keys) {
			break
		}
		keys = left
	}
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Name + " (" + k.Table + " needs " + k.Needs + ")"
	}
	return refuse(ErrClone, "these foreign keys form a cycle, so no order of the tables meets them: %s; make one of them DEFERRABLE in a migration",
		strings.Join(names, ", "))
}
