package onboard

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// atATime is how many rows of a shared table are read and written at once.
const atATime = 1000

// cloneTenant clones a tenant with row isolation.
func (c *copying) cloneTenant(ctx context.Context, data bool) error {
	if c.from.database != c.to.database || c.from.schema != c.to.schema {
		return refuse(ErrClone, "the source's rows are in %s.%s and the target's in %s.%s; they must be the same",
			c.from.database, c.from.schema, c.to.database, c.to.schema)
	}
	if err := c.provision(ctx, c.to.tenant); err != nil || !data {
		return err
	}
	return c.together(ctx, c.to.database, func(ctx context.Context, _ *admin) error {
		return step(ctx, "clone: rows", func() error { return c.copyTenant(ctx) })
	})
}

// copyTenant copies in one transaction of the login that both share: the
// policies decide what is the source's and what may be the target's.
func (c *copying) copyTenant(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, c.to.user)
	if err != nil {
		return fmt.Errorf("connecting as the tenant: %w", err)
	}
	defer hangUp(ctx, conn)
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadWrite}, func(tx pgx.Tx) error {
		tables, err := c.tenantRows(ctx, tx)
		if err != nil {
			return err
		}
		for _, t := range tables {
			if err := c.free(ctx, tx, t); err != nil {
				return err
			}
		}
		for _, t := range tables {
			if err := c.copyRowsOf(ctx, tx, t); err != nil {
				return fmt.Errorf("table %s: %w", t.Name, err)
			}
		}
		return nil
	})
}

// tenantRows lists the tables in order, and refuses those that cannot hold
// the same rows twice.
func (c *copying) tenantRows(ctx context.Context, tx pgx.Tx) ([]rowTable, error) {
	const blocking = `select 'the key ' || x.relname || ' of ' || c.relname || ' does not contain tenant_id'
		from pg_index i join pg_class c on c.oid = i.indrelid join pg_class x on x.oid = i.indexrelid
		join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and a.attnum > 0
		where c.relnamespace = (select oid from pg_namespace where nspname = $1) and (i.indisunique or i.indisexclusion) and not c.relispartition
		and not a.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1])
		union all
		select 'the trigger ' || t.tgname || ' of ' || c.relname || ' would fire' from pg_trigger t join pg_class c on c.oid = t.tgrelid
		join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and a.attnum > 0
		where c.relnamespace = (select oid from pg_namespace where nspname = $1) and not t.tgisinternal and t.tgenabled in ('O', 'A') and t.tgtype & 4 <> 0
		order by 1`
	reasons, err := texts(ctx, tx, blocking, c.to.schema)
	if err != nil {
		return nil, err
	}
	if len(reasons) > 0 {
		return nil, refuse(ErrClone, "the rows cannot be in the shared tables twice: %s", strings.Join(reasons, ", "))
	}
	const query = `select c.relname::text, c.relkind = 'p', false, false, ` + columnType + `,
		array(select a.attname::text from pg_attribute a
			where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum)
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		join pg_attribute t on t.attrelid = c.oid and t.attname = 'tenant_id' and t.attnum > 0
		where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition order by 1`
	rows, err := tx.Query(ctx, query, c.to.schema)
	if err != nil {
		return nil, err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[rowTable])
	if err != nil {
		return nil, err
	}
	keys, err := foreignKeys(ctx, tx, c.to)
	if err != nil {
		return nil, err
	}
	return inOrder(tables, amongst(tables, keys))
}

// amongst drops the keys that lead to tables that are not copied.
func amongst(tables []rowTable, keys []foreignKey) []foreignKey {
	copied := map[string]bool{}
	for _, t := range tables {
		copied[t.Name] = true
	}
	var kept []foreignKey
	for _, k := range keys {
		if copied[k.Table] && copied[k.Needs] {
			kept = append(kept, k)
		}
	}
	return kept
}

// free refuses a target that has rows already.
func (c *copying) free(ctx context.Context, tx pgx.Tx, t rowTable) error {
	if err := c.be(ctx, tx, c.to); err != nil {
		return err
	}
	var taken bool
	if err := tx.QueryRow(ctx, "select exists (select from "+quote(c.to.schema, t.Name)+")").Scan(&taken); err != nil {
		return err
	}
	if taken {
		return refuse(ErrConflict, "%s has rows in %s; drop that tenant first, or clone into another", c.to.tenant.ID, t.Name)
	}
	return nil
}

// be has the transaction be one of the tenants.
func (c *copying) be(ctx context.Context, tx pgx.Tx, pl *plan) error {
	_, err := tx.Exec(ctx, "select set_config($1, $2, true)", c.cfg.RowSetting, pl.tenant.ID.String())
	return err
}

// copyRowsOf reads the rows as the source and writes them as the target, as
// the text of whole rows, which every type can be read from again.
func (c *copying) copyRowsOf(ctx context.Context, tx pgx.Tx, t rowTable) error {
	table := quote(c.to.schema, t.Name)
	if err := c.be(ctx, tx, c.from); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DECLARE poolkeeper_rows NO SCROLL CURSOR FOR SELECT (r.*)::text FROM "+table+" r"); err != nil {
		return err
	}
	values := make([]string, len(t.Columns))
	for i, column := range t.Columns {
		values[i] = "(x.r)." + quote(column)
		if column == "tenant_id" {
			values[i] = "$2::text" + castTo(t.Tenant)
		}
	}
	insert := "INSERT INTO " + table + " (" + quoteEach(t.Columns) + ") OVERRIDING SYSTEM VALUE SELECT " + strings.Join(values, ", ") +
		" FROM (SELECT unnest($1::text[])::" + table + " OFFSET 0) x(r)"
	for {
		some, err := texts(ctx, tx, fmt.Sprintf("FETCH %d FROM poolkeeper_rows", atATime))
		if err != nil {
			return err
		}
		if len(some) == 0 {
			_, err = tx.Exec(ctx, "CLOSE poolkeeper_rows")
			return err
		}
		if err := c.write(ctx, tx, insert, some); err != nil {
			return err
		}
	}
}

// write inserts rows as the target, and is the source again.
func (c *copying) write(ctx context.Context, tx pgx.Tx, insert string, rows []string) error {
	if err := c.be(ctx, tx, c.to); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, insert, rows, c.to.tenant.ID.String())
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "42501" {
		return refuse(ErrClone, "the tenant may not write there: %w", err)
	}
	if err != nil {
		return err
	}
	return c.be(ctx, tx, c.from)
}
