package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Event is one entry of the audit trail.
type Event struct {
	ID     int64
	At     time.Time // the database's time
	Actor  string
	Action string // tenant.add, tenant.suspend, ...
	Tenant registry.ID
	Detail json.RawMessage // never a secret
	Error  string          // "" when it went well
}

// Audit appends; ID and At are the database's. Nobody can change what is
// there.
func (d *Database) Audit(ctx context.Context, e Event) error {
	const insert = "INSERT INTO poolkeeper.audit (actor, action, tenant, detail, error) VALUES ($1, $2, $3, $4, $5)"
	if _, err := d.pool.Exec(ctx, insert, e.Actor, e.Action, e.Tenant.String(), e.Detail, e.Error); err != nil {
		return fmt.Errorf("control: writing the audit trail: %w", err)
	}
	return nil
}

// Events lists the audit trail, the newest first: of one tenant, or of all for
// the zero ID. before is the ID to page on, 0 for the first page. A limit of 0
// means 100.
func (d *Database) Events(ctx context.Context, tenant registry.ID, before int64, limit int) ([]Event, error) {
	var c conditions
	if !tenant.IsZero() {
		c.add("tenant = ?", tenant.String())
	}
	if before != 0 {
		c.add("id < ?", before)
	}
	if limit <= 0 {
		limit = defaultLimit
	}
	c.args = append(c.args, limit)
	sql := "SELECT id, at, actor, action, tenant, detail, error FROM poolkeeper.audit" + c.where() + " ORDER BY id DESC LIMIT $" + strconv.Itoa(len(c.args))
	rows, err := d.pool.Query(ctx, sql, c.args...)
	if err != nil {
		return nil, fmt.Errorf("control: reading the audit trail: %w", err)
	}
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Event, err error) {
		err = row.Scan(&e.ID, &e.At, &e.Actor, &e.Action, &optionalID{&e.Tenant}, &e.Detail, &e.Error)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("control: reading the audit trail: %w", err)
	}
	return events, nil
}
