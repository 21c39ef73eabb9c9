package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Create stores a new record. r.Limits are ignored, r.Own counts; r.State
// defaults to pending. Errors: [ErrExists], [ErrTaken], [ErrKeyset],
// registry.Problems.
func (d *Database) Create(ctx context.Context, r *Record) (*Record, error) {
	r = r.copied()
	if r.State == "" {
		r.State = registry.StatusPending
	}
	if err := d.check(r); err != nil {
		return nil, err
	}
	w := d.rowOf(r)
	if err := d.seal(w, &row{}, &registry.Tenant{}, &r.Tenant); err != nil {
		return nil, err
	}
	const insert = "INSERT INTO poolkeeper.tenants (id, " + stored + `) VALUES
		($22, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
		RETURNING version, status, created_at, again, updated_at`
	err := d.write(ctx, func(ctx context.Context) error {
		return d.pool.QueryRow(ctx, insert, append(w.values(), r.ID.String())...).Scan(&w.version, &w.status, &w.created, &w.again, &w.updated)
	})
	if err != nil {
		return nil, storing(&r.Tenant, err)
	}
	w.migrated = -1
	made := d.record(w)
	if err := d.open(w, &made.Tenant); err != nil {
		return nil, err
	}
	return made, nil
}

// check completes the record and holds it to the rules; secrets are references
// or texts.
func (d *Database) check(r *Record) error {
	if r.ID.IsZero() {
		return registry.Problems{{Field: "tenants", Message: "has a record without an id; ParseID makes one"}}
	}
	resolved := r.Tenant
	for _, s := range []struct {
		field  string
		secret *registry.Secret
	}{
		{fieldPassword, &resolved.Password},
		{fieldNextPassword, &resolved.NextPassword},
		{fieldReadPassword, &resolved.ReadPassword},
		{fieldDSN, &resolved.DSN},
	} {
		secret, err := s.secret.Resolve("")
		if err != nil {
			return problem(r.ID, s.field, err.Error())
		}
		*s.secret = secret
	}
	resolved.Limits = d.effective(r.Own, r.Plan)
	resolved.Status = r.State
	if err := registry.CheckTenant(d.clusters, &resolved); err != nil {
		return err
	}
	r.Name, r.Schema = resolved.Name, resolved.Schema
	return nil
}

// Update runs change on the record under a row lock and stores what it left
// (all but ID, Version, Migrated and times; r.Own, not r.Limits). version 0
// means any; else [ErrStale] is returned when the record is of another. A
// change that alters nothing keeps the version. change's error is returned as
// it is. Other errors: [ErrUnknown], [ErrTaken], [ErrKeyset],
// registry.Problems.
//
// A secret that cannot be opened is empty in r, and stays as it is stored
// unless change sets another.
func (d *Database) Update(ctx context.Context, id registry.ID, version uint64, change func(r *Record) error) (*Record, error) {
	var updated *Record
	err := d.writeTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		w, err := findToWrite(ctx, tx, id)
		if err != nil {
			return err
		}
		if version != 0 && version != uint64(w.version) { //nolint:gosec // the sequence begins at 1
			return fmt.Errorf("%w: %q is of version %d, not %d", ErrStale, id, w.version, version)
		}
		before := d.record(w)
		d.openWhatOpens(ctx, w, &before.Tenant)
		updated = before.copied()
		if err := change(updated); err != nil {
			return refusal{err}
		}
		updated.ID = id
		return d.store(ctx, tx, w, before, updated)
	})
	if own, ok := errors.AsType[refusal](err); ok {
		return nil, own.error
	}
	if err != nil {
		return nil, err
	}
	return updated, nil
}

// findToWrite reads a row that nobody else can change until tx ends. Both
// statements travel together, because all writers wait meanwhile.
func findToWrite(ctx context.Context, tx pgx.Tx, id registry.ID) (*row, error) {
	w, batch := &row{}, &pgx.Batch{}
	batch.Queue(takeTurn)
	batch.Queue(selectRecord+" FOR NO KEY UPDATE OF t", id.String()).QueryRow(func(r pgx.Row) error {
		return found(id, r.Scan(w.all()...))
	})
	return w, tx.SendBatch(ctx, batch).Close()
}

// refusal is change's own error, kept apart from what is said of the
// transaction.
type refusal struct{ error }

// store writes what is different and completes the record.
func (d *Database) store(ctx context.Context, tx pgx.Tx, old *row, before, after *Record) error {
	if placed(before) != placed(after) || before.DDL != after.DDL {
		if err := d.check(after); err != nil {
			return err
		}
	}
	w := d.rowOf(after)
	if !after.DSN.IsZero() || old.dsn == "" || after.Database != before.Database {
		w.place = d.places.of(&after.Tenant)
	} else {
		w.place = old.place // its DSN cannot be read
	}
	if err := d.seal(w, old, &before.Tenant, &after.Tenant); err != nil {
		return err
	}
	if !w.differs(old) {
		*after = *before
		return nil
	}
	const update = "UPDATE poolkeeper.tenants SET (" + stored + `) =
		($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
		WHERE id = $22 RETURNING version, status, updated_at`
	err := tx.QueryRow(ctx, update, append(w.values(), after.ID.String())...).Scan(&w.version, &w.status, &w.updated)
	if err != nil {
		return storing(&after.Tenant, err)
	}
	w.created, w.again, w.migrated, w.migrationError = old.created, old.again, old.migrated, old.migrationError
	stored := d.record(w)
	stored.Password, stored.NextPassword, stored.ReadPassword, stored.DSN = after.Password, after.NextPassword, after.ReadPassword, after.DSN
	*after = *stored
	return nil
}

// place is what the rules for one record look at. A record whose place stays
// is not checked again: one that has become wrong since, because a cluster was
// taken out of the configuration, can still be suspended.
type place struct {
	cluster, schema, database, login string
	readLogin, plan                  string
	isolation                        registry.Isolation
	password, next, read, dsn        registry.Secret
	own                              registry.Limits
}

func placed(r *Record) place {
	return place{
		cluster: r.Cluster, schema: r.Schema, database: r.Database, login: r.Login, readLogin: r.ReadLogin, plan: r.Plan, isolation: r.Isolation,
		password: r.Password, next: r.NextPassword, read: r.ReadPassword, dsn: r.DSN, own: r.Own,
	}
}

// differs reports whether storing w would change the row.
func (w *row) differs(old *row) bool {
	a, b := w.values(), old.values()
	a[len(a)-1], b[len(b)-1] = nil, nil
	return !reflect.DeepEqual(a, b) || !maps.Equal(w.labels, old.labels)
}

// seal gives w the texts of its secrets: the old ones where nothing changed,
// because sealing again gives another text.
func (d *Database) seal(w, old *row, before, after *registry.Tenant) error {
	for _, s := range []struct {
		field       string
		to          *string
		from        string
		was, became registry.Secret
	}{
		{fieldPassword, &w.password, old.password, before.Password, after.Password},
		{fieldNextPassword, &w.next, old.next, before.NextPassword, after.NextPassword},
		{fieldReadPassword, &w.readPassword, old.readPassword, before.ReadPassword, after.ReadPassword},
		{fieldDSN, &w.dsn, old.dsn, before.DSN, after.DSN},
	} {
		*s.to = s.from
		if s.was == s.became {
			continue
		}
		text, err := d.put(w.id, s.field, s.became)
		if err != nil {
			return err
		}
		*s.to = text
	}
	return nil
}

// Remove deletes the record, its mirror row and its locks for good; a lock
// that this process holds is left to whoever took it. Removing an id without a
// record is no error.
func (d *Database) Remove(ctx context.Context, id registry.ID) error {
	err := d.writeTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM poolkeeper.tenants WHERE id = $1", id.String()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "DELETE FROM poolkeeper.locks WHERE tenant = $1 AND instance <> $2", id.String(), d.instance)
		return err
	})
	if err != nil {
		return fmt.Errorf("control: removing tenant %q: %w", id, err)
	}
	return nil
}
