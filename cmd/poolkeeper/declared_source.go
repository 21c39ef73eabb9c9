package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// declaredSource gives the file's records, with the status pending for a tenant
// whose data is not there yet: for a program that makes the tenants of its file
// real without a control database. So a tenant that is written into the file
// while it runs is made real first and served afterwards.
type declaredSource struct {
	*registry.File
	provisioner *onboard.Provisioner
	metrics     *metrics.Metrics
	log         *slog.Logger

	mu   sync.Mutex
	made map[registry.ID]uint64 // the version of each record that is real; guarded by mu
}

func newDeclaredSource(file *registry.File, p *onboard.Provisioner, m *metrics.Metrics, log *slog.Logger) *declaredSource {
	return &declaredSource{
		File: file, provisioner: p, metrics: m, log: log,
		made: map[registry.ID]uint64{},
	}
}

// Tenant is registry.Source's.
func (d *declaredSource) Tenant(ctx context.Context, id registry.ID) (*registry.Tenant, error) {
	t, err := d.File.Tenant(ctx, id)
	if err != nil {
		return nil, err
	}
	return d.dress(t), nil
}

// List is registry.Source's.
func (d *declaredSource) List(ctx context.Context, after registry.ID, limit int) ([]*registry.Tenant, error) {
	page, err := d.File.List(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	dressed := make([]*registry.Tenant, len(page))
	for i, t := range page {
		dressed[i] = d.dress(t)
	}
	return dressed, nil
}

// Count is registry.Counter's, of the file.
func (d *declaredSource) Count() map[registry.Status]int { return d.File.Count() }

// Watch is registry.Source's. A tenant that is new or changed is pending until
// it is made real; then its change is told a second time.
func (d *declaredSource) Watch(ctx context.Context, notify func([]registry.Change)) error {
	return d.File.Watch(ctx, func(changes []registry.Change) {
		for i, c := range changes {
			if c.Kind == registry.LimitsChanged {
				changes[i].Kind = registry.Changed // it is pending in between
			}
		}
		notify(changes)
		if len(changes) == 0 {
			changes = d.behind(ctx) // some may have been missed
		}
		var telling sync.Mutex
		sideBySide(len(changes), func(i int) {
			if c := changes[i]; c.Kind != registry.Removed && d.catchUp(ctx, c.ID) {
				telling.Lock()
				defer telling.Unlock()
				notify([]registry.Change{c})
			}
		})
	})
}

// behind lists the records that are not real as they stand.
func (d *declaredSource) behind(ctx context.Context) []registry.Change {
	tenants, err := allTenants(ctx, d.File)
	if err != nil {
		return nil
	}
	var changes []registry.Change
	for _, t := range tenants {
		if wanted(t) && !d.isMade(t) {
			changes = append(changes, registry.Change{ID: t.ID, Kind: registry.Changed})
		}
	}
	return changes
}

// catchUp makes a changed tenant real, and reports whether it did.
func (d *declaredSource) catchUp(ctx context.Context, id registry.ID) bool {
	t, err := d.File.Tenant(ctx, id)
	if err != nil || !wanted(t) {
		return false
	}
	if err := d.prepare(ctx, t); err != nil {
		d.log.Error("tenant could not be onboarded", "tenant", id, "error", err)
		return false
	}
	d.log.Info("tenant onboarded", "tenant", id)
	return true
}

// dress returns the record as it may be served.
func (d *declaredSource) dress(t *registry.Tenant) *registry.Tenant {
	if !t.Active() || d.isMade(t) {
		return t
	}
	pending := *t
	pending.Status = registry.StatusPending
	return &pending
}

// isMade reports whether the record is real as it stands.
func (d *declaredSource) isMade(t *registry.Tenant) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	version, ok := d.made[t.ID]
	return ok && version == t.Version
}

// prepare makes one tenant real.
func (d *declaredSource) prepare(ctx context.Context, t *registry.Tenant) error {
	err := d.provisioner.Provision(ctx, t)
	d.metrics.Onboarded(err)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.made[t.ID] = t.Version
	return nil
}

// prepareAll makes every tenant of the file real, suspended ones too.
func (d *declaredSource) prepareAll(ctx context.Context) error {
	tenants, err := allTenants(ctx, d.File)
	if err != nil {
		return err
	}
	done, err := onboardWanted(ctx, tenants, d.log, d.prepare)
	if err == nil && done.hopeless() {
		err = fmt.Errorf("none of the %s could be onboarded; the log says why for each", count(done.wanted, "tenant"))
	}
	return err
}

// allTenants reads all records of a source.
func allTenants(ctx context.Context, source registry.Source) ([]*registry.Tenant, error) {
	const page = 500
	var all []*registry.Tenant
	var after registry.ID
	for {
		tenants, err := source.List(ctx, after, page)
		if err != nil {
			return nil, err
		}
		all = append(all, tenants...)
		if len(tenants) < page {
			return all, nil
		}
		after = tenants[len(tenants)-1].ID
	}
}
