package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Spare is a tenant that was provisioned before anybody asked for it.
type Spare struct {
	ID   registry.ID // its name until it is claimed: spare-...
	Plan string
	// Tenant is as it was provisioned: where it lives, its login, its password
	// (opened), DDL and limits. It has no DSN and no labels.
	Tenant   registry.Tenant
	Migrated int64
	Ready    bool
}

const spareColumns = `id, plan, cluster, isolation, schema_name, database_name, login, password, ddl, limits, migrated, ready`

// AddSpare stores a spare that is about to be provisioned. Adding one again
// changes nothing.
func (d *Database) AddSpare(ctx context.Context, s Spare) error {
	t := s.Tenant
	password, err := d.put(s.ID, fieldPassword, t.Password)
	if err != nil {
		return err
	}
	const insert = "INSERT INTO poolkeeper.spares (" + spareColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING`
	_, err = d.pool.Exec(ctx, insert, s.ID.String(), s.Plan, t.Cluster, string(t.Isolation), t.Schema, t.Database, t.Login,
		password, t.DDL, limitsOf(t.Limits), s.Migrated, s.Ready)
	if err != nil {
		return fmt.Errorf("control: storing spare %q: %w", s.ID, err)
	}
	return nil
}

// SpareReady says that the spare is provisioned, and what it is migrated to.
func (d *Database) SpareReady(ctx context.Context, id registry.ID, migrated int64) error {
	tag, err := d.pool.Exec(ctx, "UPDATE poolkeeper.spares SET ready = true, migrated = $2 WHERE id = $1", id.String(), migrated)
	switch {
	case err != nil:
		return fmt.Errorf("control: noting that spare %q is ready: %w", id, err)
	case tag.RowsAffected() == 0:
		return unknown(id)
	default:
		return nil
	}
}

// Spares lists those that nobody has taken, the oldest first.
func (d *Database) Spares(ctx context.Context) ([]Spare, error) {
	rows, err := d.pool.Query(ctx, "SELECT "+spareColumns+" FROM poolkeeper.spares WHERE taken_by IS NULL ORDER BY created_at, id")
	if err != nil {
		return nil, fmt.Errorf("control: listing spares: %w", err)
	}
	spares, err := pgx.CollectRows(rows, d.scanSpare)
	if err != nil {
		return nil, fmt.Errorf("control: listing spares: %w", err)
	}
	return spares, nil
}

func (d *Database) scanSpare(row pgx.CollectableRow) (s Spare, err error) {
	t, limits, password := &s.Tenant, storedLimits{}, ""
	err = row.Scan((*storedID)(&s.ID), &s.Plan, &t.Cluster, &t.Isolation, &t.Schema, &t.Database, &t.Login, &password, &t.DDL,
		&limits, &s.Migrated, &s.Ready)
	if err != nil {
		return s, err
	}
	t.ID, t.Name, t.Plan, t.Status, t.Limits = s.ID, s.ID.String(), s.Plan, registry.StatusPending, limits.limits()
	t.Password, err = d.get(s.ID, fieldPassword, password)
	return s, err
}

// TakeSpare hands out a ready spare of the plan, the cluster ("" means any)
// and the isolation, for the tenant; nobody else gets that one. A second call
// for the same tenant returns the same one, until DropSpare. nil means that
// there is none.
func (d *Database) TakeSpare(ctx context.Context, tenant registry.ID, plan, cluster string, isolation registry.Isolation) (spare *Spare, err error) {
	const take = `UPDATE poolkeeper.spares SET taken_by = $1 WHERE id = (
			SELECT id FROM poolkeeper.spares WHERE ready AND taken_by IS NULL AND plan = $2 AND ($3 = '' OR cluster = $3) AND isolation = $4
			ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING ` + spareColumns
	// Two calls for one tenant take turns, or both could take one.
	const turn = "SELECT pg_catalog.pg_advisory_xact_lock(1936748914, hashtext($1))"
	err = d.pool.inTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, turn, tenant.String()); err != nil {
			return err
		}
		spare, err = d.oneSpare(ctx, tx, taken, tenant.String())
		if err == nil && spare == nil {
			spare, err = d.oneSpare(ctx, tx, take, tenant.String(), plan, cluster, string(isolation))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("control: taking a spare: %w", err)
	}
	return spare, nil
}

// oneSpare is nil when there is none.
func (d *Database) oneSpare(ctx context.Context, q querier, sql string, args ...any) (*Spare, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	spare, err := pgx.CollectExactlyOneRow(rows, d.scanSpare)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &spare, err
}

const taken = "SELECT " + spareColumns + " FROM poolkeeper.spares WHERE taken_by = $1"

// TakenSpare returns the spare that TakeSpare gave to the tenant and that was
// not dropped yet; nil means that there is none.
func (d *Database) TakenSpare(ctx context.Context, tenant registry.ID) (*Spare, error) {
	spare, err := d.oneSpare(ctx, d.pool, taken, tenant.String())
	if err != nil {
		return nil, fmt.Errorf("control: asking for the spare of %q: %w", tenant, err)
	}
	return spare, nil
}

// WithdrawSpare keeps a spare from being taken; false means that somebody has
// it, or that it is gone. It is not ready any more then.
func (d *Database) WithdrawSpare(ctx context.Context, id registry.ID) (bool, error) {
	tag, err := d.pool.Exec(ctx, "UPDATE poolkeeper.spares SET ready = false WHERE id = $1 AND taken_by IS NULL", id.String())
	if err != nil {
		return false, fmt.Errorf("control: withdrawing spare %q: %w", id, err)
	}
	return tag.RowsAffected() == 1, nil
}

// DropSpare forgets a spare that was claimed or taken away.
func (d *Database) DropSpare(ctx context.Context, id registry.ID) error {
	if _, err := d.pool.Exec(ctx, "DELETE FROM poolkeeper.spares WHERE id = $1", id.String()); err != nil {
		return fmt.Errorf("control: dropping spare %q: %w", id, err)
	}
	return nil
}
