package onboard

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// rounds is how often rows are deleted until none is left: triggers may write
// new ones.
const rounds = 10

// dropRows deletes the tenant's rows from every table of the shared schema
// that has a column tenant_id, as the owner, whom the policies hold.
func (p *Provisioner) dropRows(own *belongings) func(context.Context, *admin, *plan) error {
	return func(ctx context.Context, a *admin, pl *plan) error {
		if own.deletion == "" {
			return nil
		}
		for range rounds {
			deleted, err := p.deleteOnce(ctx, a, pl, own.deletion)
			if err != nil || deleted == 0 {
				return err
			}
		}
		return fmt.Errorf("rows keep coming after %d deletions; see whether a trigger or a session writes them", rounds)
	}
}

// deleteOnce runs the deletion and returns how many rows it found.
func (p *Provisioner) deleteOnce(ctx context.Context, a *admin, pl *plan, statement string) (deleted int64, err error) {
	err = again(ctx, func() error {
		return pgx.BeginFunc(ctx, a.Conn, func(tx pgx.Tx) error {
			const pin = "select set_config('role', $1, true), set_config($2, $3, true), set_config('search_path', $4, true)"
			if _, err := tx.Exec(ctx, pin, pl.owner, p.cfg.RowSetting, pl.tenant.ID.String(), quote(pl.schema)); err != nil {
				return err
			}
			return tx.QueryRow(ctx, statement).Scan(&deleted)
		})
	})
	return deleted, err
}

// deletion is one statement for all tables, because then foreign keys, also
// those that go round in circles, are checked when all rows are gone. ""
// when there is no table. The policies may show more than the tenant's rows,
// so each part says whose they are.
func deletion(ctx context.Context, a *admin, pl *plan) (string, error) {
	tables, err := a.tenantTables(ctx, pl)
	if err != nil {
		return "", err
	}
	id, err := a.literal(ctx, pl.tenant.ID.String())
	if err != nil {
		return "", err
	}
	var parts, counts []string
	for _, t := range tables {
		fits, err := a.casts(ctx, id, t.Column)
		if err != nil {
			return "", err
		}
		if !fits {
			continue
		}
		name := fmt.Sprintf("d%d", len(parts))
		parts = append(parts, name+" AS (DELETE FROM "+quote(pl.schema, t.Name)+" WHERE tenant_id = "+id+castTo(t.Column)+" RETURNING 1)")
		counts = append(counts, "(SELECT count(*) FROM "+name+")")
	}
	if len(parts) == 0 {
		return "", nil
	}
	return "WITH " + strings.Join(parts, ", ") + " SELECT " + strings.Join(counts, " + "), nil
}

// tenantTable is one with a column tenant_id.
type tenantTable struct{ Name, Owner, Column string }

// tenantTables lists those of the shared schema; partitions go with the whole.
// A table that the schema's owner does not own is refused: its rows would
// stay.
func (a *admin) tenantTables(ctx context.Context, pl *plan) ([]tenantTable, error) {
	const query = `select c.relname::text, pg_get_userbyid(c.relowner)::text, ` + columnType + `
		from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute t on t.attrelid = c.oid
		where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition
		and t.attname = 'tenant_id' and t.attnum > 0 and not t.attisdropped order by 1`
	rows, err := a.Query(ctx, query, pl.schema)
	if err != nil {
		return nil, err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[tenantTable])
	for _, t := range tables {
		if t.Owner != pl.owner {
			return nil, refuse(ErrConflict, "the table %s.%s belongs to %s, not to %s, so the tenant's rows would stay in it; nothing was deleted",
				pl.schema, t.Name, t.Owner, pl.owner)
		}
	}
	return tables, err
}

// casts reports whether the column's type can hold the id: a column of another
// type has no row of the tenant.
func (a *admin) casts(ctx context.Context, id, column string) (bool, error) {
	_, err := a.Exec(ctx, "select "+id+"::text"+castTo(column))
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && strings.HasPrefix(refused.Code, "22") {
		return false, nil
	}
	return err == nil, err
}
