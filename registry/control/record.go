package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Record is a tenant as the control database knows it. The embedded Tenant is
// effective: plan laid under, status the stricter of State and Declared,
// secrets opened. SharedLogin is derived only in what the Source returns.
type Record struct {
	registry.Tenant
	// Own are the tenant's own limits, without the plan's.
	Own registry.Limits
	// State is what operators and provisioning say.
	State registry.Status
	// Declared is what the file says; "" when the file does not declare it.
	Declared registry.Status
	// Reason says why it is pending, or suspended.
	Reason string
	// Deleting says that a deletion has begun: it can only be finished.
	Deleting bool
	// ClonedFrom is the tenant whose data this one is to be copied from while
	// it is pending; zero for nobody.
	ClonedFrom registry.ID
	// Migrated is the migration that its data is at; -1 means unknown.
	Migrated int64
	// MigrationError is of the last try, "" when it went well.
	MigrationError string

	CreatedAt, UpdatedAt time.Time
}

// Record returns the record from the database. Errors: [ErrUnknown], and
// whatever keeps a secret from being opened.
func (d *Database) Record(ctx context.Context, id registry.ID) (*Record, error) {
	w := &row{}
	if err := found(id, d.pool.QueryRow(ctx, selectRecord, id.String()).Scan(w.all()...)); err != nil {
		return nil, err
	}
	r := d.record(w)
	if err := d.open(w, &r.Tenant); err != nil {
		return nil, err
	}
	return r, nil
}

const selectRecord = selectRecords + " WHERE t.id = $1"

// found explains why a record was not read.
func found(id registry.ID, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return unknown(id)
	default:
		return fmt.Errorf("control: reading tenant %q: %w", id, err)
	}
}

// record makes a record of a row, without its secrets.
func (d *Database) record(w *row) *Record {
	r := &Record{
		Tenant: w.tenant(), Own: w.limits.limits(),
		State: registry.Status(w.state), Declared: registry.Status(w.declared),
		Reason: w.reason, Deleting: w.deleting, ClonedFrom: w.clonedFrom,
		Migrated: w.migrated, MigrationError: w.migrationError,
		CreatedAt: w.created, UpdatedAt: w.updated,
	}
	r.Limits = d.effective(r.Own, r.Plan)
	return r
}

// effective lays a tenant's own limits over its plan's. A plan that is not
// there any more gives nothing.
func (d *Database) effective(own registry.Limits, plan string) registry.Limits {
	if p, ok := (*d.plans.Load())[plan]; ok && plan != "" {
		return own.Over(p.Limits)
	}
	return own
}

// open fills in the secrets.
func (d *Database) open(w *row, t *registry.Tenant) error {
	var err error
	get := func(field, text string) (secret registry.Secret) {
		if err == nil {
			secret, err = d.get(t.ID, field, text)
		}
		return secret
	}
	t.Password = get(fieldPassword, w.password)
	t.NextPassword = get(fieldNextPassword, w.next)
	t.ReadPassword = get(fieldReadPassword, w.readPassword)
	t.DSN = get(fieldDSN, w.dsn)
	return err
}

// openWhatOpens fills in the secrets that can be opened: a tenant whose
// password cannot be read can still be listed and suspended.
func (d *Database) openWhatOpens(ctx context.Context, w *row, t *registry.Tenant) {
	get := func(field, text string) registry.Secret {
		secret, err := d.get(t.ID, field, text)
		if err != nil {
			d.log.WarnContext(ctx, "a secret cannot be opened", "tenant", t.ID.String(), "error", err)
		}
		return secret
	}
	t.Password = get(fieldPassword, w.password)
	t.NextPassword = get(fieldNextPassword, w.next)
	t.ReadPassword = get(fieldReadPassword, w.readPassword)
	t.DSN = get(fieldDSN, w.dsn)
}

// copied returns a record that shares nothing with r that a caller may change.
func (r *Record) copied() *Record {
	c := *r
	c.Labels = maps.Clone(r.Labels)
	return &c
}
