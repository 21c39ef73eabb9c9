package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
)

// SetMigrated writes the mirror: the version that the tenant's data is at, and
// the error of a try that failed. It changes no record's version. Errors:
// [ErrUnknown].
func (d *Database) SetMigrated(ctx context.Context, id registry.ID, version int64, failure string) error {
	const store = `INSERT INTO poolkeeper.migrated (tenant, version, error, at) VALUES ($1, $2, $3, now())
		ON CONFLICT (tenant) DO UPDATE SET version = excluded.version, error = excluded.error, at = excluded.at`
	_, err := d.pool.Exec(ctx, store, id.String(), version, failure)
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "23503" {
		return unknown(id)
	}
	if err != nil {
		return fmt.Errorf("control: noting the migrations of %q: %w", id, err)
	}
	return nil
}

// VersionCount says how many tenants are at a version of a set.
type VersionCount struct {
	Set     string // "tenant", or "shared" for row isolation
	Version int64  // -1: not known
	Tenants int
	Failed  int // of them, those whose last try failed
}

// Versions counts, with one question, who is where. Tenants that are retired
// or pending do not count: nobody migrates them.
func (d *Database) Versions(ctx context.Context) ([]VersionCount, error) {
	const query = `SELECT CASE t.isolation WHEN 'row' THEN 'shared' ELSE 'tenant' END AS set, coalesce(m.version, -1) AS version,
			count(*) AS tenants, count(*) FILTER (WHERE m.error <> '') AS failed
		FROM poolkeeper.tenants t LEFT JOIN poolkeeper.migrated m ON m.tenant = t.id
		WHERE t.status NOT IN ('retired', 'pending') GROUP BY 1, 2 ORDER BY 1 DESC, 2`
	rows, err := d.pool.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("control: counting versions: %w", err)
	}
	counts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[VersionCount])
	if err != nil {
		return nil, fmt.Errorf("control: counting versions: %w", err)
	}
	return counts, nil
}
