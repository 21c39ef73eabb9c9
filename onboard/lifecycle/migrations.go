package lifecycle

import (
	"context"
	"slices"
	"strings"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// PlannedMigration says what a tenant would get.
type PlannedMigration struct {
	Tenant registry.ID
	From   int64
	Files  []string
}

// MigrationSet says how many tenants are at which version of a set.
type MigrationSet struct {
	Set      string
	Latest   int64
	Versions []control.VersionCount
}

// Drift is a tenant whose own table of versions says something else than the
// control database.
type Drift struct {
	Tenant         registry.ID
	Mirror, Actual int64
	Err            error // its table could not be read
}

// MigrationStatus says where the fleet is.
type MigrationStatus struct {
	Sets           []MigrationSet
	Behind, Failed int
	Drift          []Drift
}

// PlanMigrations says who would get what, and does nothing.
func (o *Operator) PlanMigrations(ctx context.Context, r MigrateRequest) ([]PlannedMigration, error) {
	t, err := o.todo(ctx, r)
	if err != nil {
		return nil, err
	}
	plan := make([]PlannedMigration, 0, len(t.records))
	for _, id := range slices.Concat(t.canary, t.rest) {
		record := t.records[id]
		planned := PlannedMigration{Tenant: id, From: record.Migrated}
		if t.down == nil {
			planned.Files = o.deps.Provisioner.Pending(&record.Tenant, record.Migrated)
		} else {
			planned.Files = undoneFiles(o.deps.Provisioner.Pending(&record.Tenant, t.down[id]),
				len(o.deps.Provisioner.Pending(&record.Tenant, record.Migrated)))
		}
		plan = append(plan, planned)
	}
	return plan, nil
}

// undoneFiles are those between two versions, the newest first: all after the
// older, without the number of those after the newer.
func undoneFiles(after []string, newer int) []string {
	files := slices.Clone(after[:max(0, len(after)-newer)])
	slices.Reverse(files)
	return files
}

// MigrationStatus counts tenants by version; with verify it also reads every
// tenant's own table.
func (o *Operator) MigrationStatus(ctx context.Context, verify bool) (*MigrationStatus, error) {
	counts, err := o.db.Versions(ctx)
	if err != nil {
		return nil, err
	}
	status := &MigrationStatus{}
	newest := o.newest()
	for _, set := range []string{setTenant, setShared} {
		s := MigrationSet{Set: set, Latest: newest[set]}
		for _, c := range counts {
			if c.Set != set {
				continue
			}
			s.Versions = append(s.Versions, c)
			status.Failed += c.Failed
			if c.Version < s.Latest {
				status.Behind += c.Tenants
			}
		}
		status.Sets = append(status.Sets, s)
	}
	if verify {
		status.Drift, err = o.drift(ctx)
	}
	return status, err
}

// readers is how many tenants' tables are read side by side on one cluster.
const readers = 4

func (o *Operator) drift(ctx context.Context) ([]Drift, error) {
	var drift []Drift
	f := control.Filter{Limit: 500}
	for {
		page, err := o.db.Records(ctx, f)
		if err != nil {
			return nil, err
		}
		found, err := o.driftOf(ctx, page)
		if err != nil {
			return nil, err
		}
		drift = append(drift, found...)
		if len(page) < f.Limit {
			return drift, nil
		}
		f.After = page[len(page)-1].ID
	}
}

// driftOf reads the tables of some tenants, in the order of their ids.
func (o *Operator) driftOf(ctx context.Context, records []*control.Record) ([]Drift, error) {
	mirror := map[registry.ID]int64{}
	var tenants []*registry.Tenant
	for _, r := range records {
		if migratable(r) == nil {
			mirror[r.ID] = r.Migrated
			tenants = append(tenants, &r.Tenant)
		}
	}
	var drift []Drift
	err := o.deps.Provisioner.Versions(ctx, tenants, readers, func(m onboard.Migrated) {
		if m.Err != nil || m.To != mirror[m.Tenant] {
			drift = append(drift, Drift{Tenant: m.Tenant, Mirror: mirror[m.Tenant], Actual: m.To, Err: m.Err})
		}
	})
	slices.SortFunc(drift, func(a, b Drift) int { return compareIDs(a.Tenant, b.Tenant) })
	return drift, err
}

func compareIDs(a, b registry.ID) int { return strings.Compare(a.String(), b.String()) }
