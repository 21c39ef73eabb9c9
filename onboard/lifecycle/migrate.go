package lifecycle

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// MigrateRequest says who is to be migrated.
type MigrateRequest struct {
	// Down undoes what an earlier operation, Run, applied; for Tenants alone
	// when they are given.
	Down bool
	// Tenants are those to do; nil means all that are behind, or whose last try
	// failed.
	Tenants []registry.ID
	// Canary are done first, and the others only if all of them pass.
	Canary []registry.ID
	// OnlyFailed does those whose last try failed.
	OnlyFailed bool
	// Run is the operation that Down undoes.
	Run string
	// Workers is how many tenants are done side by side; 0 means as many as
	// the budgets leave room for.
	Workers int
}

// MigrateResult is the result of an operation that migrated. Changes and
// Reached are the versions before and after of those that are at another than
// before, for Down.
type MigrateResult struct {
	Migrated int              `json:"migrated"`
	Failed   int              `json:"failed"`
	Skipped  int              `json:"skipped"`
	Applied  int              `json:"applied"`
	TookMS   int64            `json:"took_ms"`
	Changes  map[string]int64 `json:"changes,omitempty"` // the version before, by tenant
	Reached  map[string]int64 `json:"reached,omitempty"` // the version after, by tenant
}

// Migrate applies the migrations that tenants lack, or undoes those of one
// run. A tenant that fails is told in the operation, and the others go on.
// Errors: ErrInput, registry.ErrUnknown.
func (o *Operator) Migrate(ctx context.Context, by Actor, r MigrateRequest) (control.Operation, error) {
	todo, err := o.todo(ctx, r)
	if err != nil {
		return control.Operation{}, err
	}
	op := control.Operation{Kind: "migrate", Actor: string(by), Total: len(todo.records)}
	return o.begin(ctx, op, func(ctx context.Context, j *job) error {
		result, err := o.migrate(ctx, j, todo, r.Workers)
		j.result(result)
		o.audit(ctx, by, "tenants.migrate", registry.ID{}, map[string]any{
			"down": r.Down, "run": r.Run, "migrated": result.Migrated, "failed": result.Failed, "skipped": result.Skipped,
		}, err)
		return err
	})
}

// todo is who is to be done.
type todo struct {
	records map[registry.ID]*control.Record
	canary  []registry.ID
	rest    []registry.ID
	down    map[registry.ID]int64 // nil: up
}

// todo finds out who is to be done. With nothing to do it is one question to
// the control database, however many tenants there are.
func (o *Operator) todo(ctx context.Context, r MigrateRequest) (todo, error) {
	t := todo{records: map[registry.ID]*control.Record{}}
	records, err := o.candidates(ctx, r, &t)
	if err != nil {
		return t, err
	}
	for _, record := range records {
		if err := migratable(record); err != nil && (len(r.Tenants) > 0 || slices.Contains(r.Canary, record.ID)) {
			return t, err
		} else if err == nil {
			t.records[record.ID] = record
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(t.records), compareIDs) {
		if slices.Contains(r.Canary, id) {
			t.canary = append(t.canary, id)
		} else {
			t.rest = append(t.rest, id)
		}
	}
	return t, nil
}

// candidates are the records that a request names or means.
func (o *Operator) candidates(ctx context.Context, r MigrateRequest, t *todo) ([]*control.Record, error) {
	switch {
	case r.Down && r.Run == "":
		return nil, refuse(ErrInput, "run: name the operation whose migrations are to be undone")
	case r.Down:
		return o.undone(ctx, r, t)
	case r.Run != "":
		return nil, refuse(ErrInput, "run: belongs to direction down")
	}
	if len(r.Tenants) > 0 {
		return o.named(ctx, slices.Concat(r.Tenants, r.Canary))
	}
	// A canary that is not there would pass in silence.
	canary, err := o.named(ctx, slices.Clone(r.Canary))
	for _, record := range canary {
		err = cmp.Or(err, migratable(record))
	}
	if err != nil {
		return nil, err
	}
	behind, err := o.behind(ctx)
	if err != nil || !r.OnlyFailed {
		return behind, err
	}
	return slices.DeleteFunc(behind, func(b *control.Record) bool {
		return b.MigrationError == "" && !slices.Contains(r.Canary, b.ID)
	}), nil
}

// named reads records by their ids; each must be there.
func (o *Operator) named(ctx context.Context, ids []registry.ID) ([]*control.Record, error) {
	slices.SortFunc(ids, compareIDs)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return nil, nil
	}
	records, err := o.db.Records(ctx, control.Filter{IDs: ids, Limit: len(ids)})
	if err != nil {
		return nil, err
	}
	if len(records) < len(ids) {
		for _, id := range ids {
			if !slices.ContainsFunc(records, func(r *control.Record) bool { return r.ID == id }) {
				return nil, fmt.Errorf("%w: %q", registry.ErrUnknown, id)
			}
		}
	}
	return records, nil
}

func migratable(r *control.Record) error {
	if r.State == registry.StatusPending || r.State == registry.StatusRetired || r.Deleting {
		return refuse(ErrState, "%s is %s; its data is not migrated", r.ID, r.State)
	}
	return nil
}

// behind lists who lacks migrations of its set, and whose last try failed: when
// the migration was taken back since, that there is nothing to do is to be noted.
func (o *Operator) behind(ctx context.Context) ([]*control.Record, error) {
	newest := o.newest()
	top := max(newest[setTenant], newest[setShared])
	if top == 0 {
		return nil, nil
	}
	var all []*control.Record
	f := control.Filter{Behind: top, OrFailed: true, Limit: 1000}
	for {
		page, err := o.db.Records(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			if r.Migrated < newest[setOf(r)] || r.MigrationError != "" {
				all = append(all, r)
			}
		}
		if len(page) < f.Limit {
			return all, nil
		}
		f.After = page[len(page)-1].ID
	}
}

// The sets of migrations.
const (
	setTenant = "tenant"
	setShared = "shared"
)

func setOf(r *control.Record) string {
	if r.Isolation == registry.IsolationRow {
		return setShared
	}
	return setTenant
}

// newest is the last version of each set.
func (o *Operator) newest() map[string]int64 {
	return map[string]int64{
		setTenant: o.deps.Provisioner.Latest(&registry.Tenant{Isolation: registry.IsolationSchema}),
		setShared: o.deps.Provisioner.Latest(&registry.Tenant{Isolation: registry.IsolationRow}),
	}
}

// migrate does the canaries, then the rest.
func (o *Operator) migrate(ctx context.Context, j *job, t todo, workers int) (MigrateResult, error) {
	begun := time.Now()
	result := MigrateResult{Changes: map[string]int64{}, Reached: map[string]int64{}}
	j.step("canaries")
	err := o.migrateSome(ctx, j, t, t.canary, workers, &result)
	if err == nil && result.Failed > 0 {
		result.Skipped = len(t.rest)
		result.TookMS = time.Since(begun).Milliseconds()
		return result, refuse(ErrMigrations, "a canary failed, so %d tenants were left as they are", len(t.rest))
	}
	if err == nil {
		j.step("tenants")
		err = o.migrateSome(ctx, j, t, t.rest, workers, &result)
	}
	result.TookMS = time.Since(begun).Milliseconds()
	if err == nil && result.Failed > 0 {
		err = refuse(ErrMigrations, "for %d of %d tenants; ask again for those that failed when it is mended", result.Failed, len(t.records))
	}
	return result, err
}

func (o *Operator) migrateSome(ctx context.Context, j *job, t todo, ids []registry.ID, workers int, result *MigrateResult) error {
	if len(ids) == 0 {
		return nil
	}
	tenants := make([]*registry.Tenant, len(ids))
	for i, id := range ids {
		tenants[i] = &t.records[id].Tenant
	}
	options := onboard.MigrateOptions{Workers: workers, Down: t.down, Lock: o.lockForMigration}
	return o.deps.Provisioner.Migrate(ctx, tenants, options, func(m onboard.Migrated) {
		o.noteMigrated(ctx, t.records[m.Tenant], m)
		result.Applied += len(m.Applied)
		if m.From != m.To {
			result.Changes[m.Tenant.String()], result.Reached[m.Tenant.String()] = m.From, m.To
		}
		if m.Err != nil {
			result.Failed++
		} else {
			result.Migrated++
		}
		j.save(len(result.Changes), func() any { return *result })
		j.one(m.Tenant, m.Err)
	})
}

func (o *Operator) lockForMigration(ctx context.Context, id registry.ID) (context.Context, func(), error) {
	return o.db.Lock(ctx, id, "migrate")
}
