package lifecycle

import (
	"context"
	"errors"
	"fmt"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// noteMigrated keeps the mirror in step with what was done. A tenant that was
// busy, or cut, has its old line.
func (o *Operator) noteMigrated(ctx context.Context, r *control.Record, m onboard.Migrated) {
	failure := ""
	if m.Err != nil {
		if busy := (*control.BusyError)(nil); errors.As(m.Err, &busy) {
			return
		}
		failure = clip(m.Err.Error())
	}
	if m.Err != nil || len(m.Applied) > 0 {
		o.deps.Observer.Migrated(m.Err)
	}
	if r.Migrated == m.To && r.MigrationError == failure {
		return
	}
	// What was done is noted also when the run is cut short.
	writing, cancel := afterwards(ctx)
	defer cancel()
	if err := o.db.SetMigrated(writing, m.Tenant, m.To, failure); err != nil {
		o.log.ErrorContext(ctx, "a migration could not be noted; the next run will", "tenant", m.Tenant.String(), "error", err)
	}
}

// catchUp migrates one tenant that is behind. The caller holds its lock.
func (o *Operator) catchUp(ctx context.Context, r *control.Record) error {
	if r.Migrated >= o.deps.Provisioner.Latest(&r.Tenant) {
		return nil
	}
	var failed error
	err := o.deps.Provisioner.Migrate(ctx, []*registry.Tenant{&r.Tenant}, onboard.MigrateOptions{}, func(m onboard.Migrated) {
		o.noteMigrated(ctx, r, m)
		failed = m.Err
	})
	return errors.Join(err, failed)
}

// Prepare migrates a tenant that is behind, before its pool is opened. It is
// what pools.Config.Prepare is with onboard.lazy. While somebody else works on
// the tenant it waits: that may be a replica which migrates it, too. Asked for
// a reader it migrates the tenant, whose tables that reads. While the control
// database cannot say who is behind it opens nothing: registry.ErrUnavailable.
func (o *Operator) Prepare(ctx context.Context, t *registry.Tenant) error {
	id := t.ID.Tenant()
	r, err := o.db.Record(ctx, id)
	if err != nil && !errors.Is(err, registry.ErrUnknown) {
		return fmt.Errorf("%w: whether its data is behind (onboard.lazy): %w", registry.ErrUnavailable, err)
	}
	if err != nil || r.Migrated >= o.deps.Provisioner.Latest(&r.Tenant) {
		return err
	}
	return o.lockedInTurn(ctx, id, "migrate", func(ctx context.Context) error {
		r, err := o.db.Record(ctx, id)
		if err != nil {
			return err
		}
		return o.catchUp(ctx, r)
	})
}
