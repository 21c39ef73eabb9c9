package integration_test

import (
	"errors"
	"fmt"
	"regexp"
	"sync"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// fourSkipped is in a result as the process has it, or as PostgreSQL writes JSON.
var fourSkipped = regexp.MustCompile(`"skipped": ?4\b`)

func TestMigrationsAreReportedResumedAndUndone(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	ctx := t.Context()
	for i := range 5 {
		p.add(t, fmt.Sprintf("m%d", i), registry.IsolationSchema)
	}
	op, err := p.operator.Migrate(ctx, "test", lifecycle.MigrateRequest{})
	if op = p.done(t, op, err); op.Total != 0 {
		t.Errorf("with nothing to do there are %d to do", op.Total)
	}
	p.migration(t, "00002_unique.sql", "-- +goose Up\nCREATE UNIQUE INDEX items_owner ON items (owner);\n-- +goose Down\nDROP INDEX items_owner;\n")
	db, _, operator := p.setup.open(ctx, t, p.log, nil)
	t.Cleanup(db.Close)
	t.Cleanup(operator.Close)
	p.operator = operator
	lease := p.record(t, p.id("m3"))
	c, err := p.connect(t, lease)
	if err != nil {
		t.Fatal(err)
	}
	p.exec(ctx, t, c, "insert into items (id) values (2)")
	defer c.Close(ctx)

	plan, err := operator.PlanMigrations(ctx, lifecycle.MigrateRequest{})
	if err != nil || len(plan) != 5 || len(plan[0].Files) != 1 || plan[0].Files[0] != "00002_unique.sql" {
		t.Fatalf("the plan is %+v, %v", plan, err)
	}
	op, err = operator.Migrate(ctx, "test", lifecycle.MigrateRequest{Canary: []registry.ID{p.id("m3")}})
	if err != nil {
		t.Fatal(err)
	}
	if op = p.ended(t, op); op.State != control.Failed || op.Done != 1 || !fourSkipped.Match(op.Result) {
		t.Errorf("with a canary that fails: %s, %d done, %s", op.State, op.Done, op.Result)
	}
	op, err = operator.Migrate(ctx, "test", lifecycle.MigrateRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if op = p.ended(t, op); len(op.Failures) != 1 || op.Done != 5 {
		t.Errorf("%d done, failures %+v", op.Done, op.Failures)
	}
	run := op.ID
	status, err := operator.MigrationStatus(ctx, true)
	if err != nil || status.Behind != 1 || status.Failed != 1 || len(status.Drift) != 0 {
		t.Errorf("the status is %+v, %v", status, err)
	}
	p.exec(ctx, t, c, "delete from items where id = 2")
	op, err = operator.Migrate(ctx, "test", lifecycle.MigrateRequest{OnlyFailed: true})
	if op = p.done(t, op, err); op.Done != 1 {
		t.Errorf("%d were resumed", op.Done)
	}
	op, err = operator.Migrate(ctx, "test", lifecycle.MigrateRequest{Down: true, Run: run})
	if op = p.done(t, op, err); op.Done != 4 {
		t.Errorf("%d were undone", op.Done)
	}
	if r := p.record(t, p.id("m1")); r.Migrated != 1 {
		t.Errorf("undone, m1 is at %d", r.Migrated)
	}
	if r := p.record(t, p.id("m3")); r.Migrated != 2 {
		t.Errorf("of another run, m3 is at %d", r.Migrated)
	}
	op, err = operator.Migrate(ctx, "test", lifecycle.MigrateRequest{Down: true, Run: run})
	if op = p.done(t, op, err); op.Total != 0 {
		t.Errorf("undone once more, there are %d to do", op.Total)
	}
	if _, err := operator.Migrate(ctx, "test", lifecycle.MigrateRequest{Tenants: []registry.ID{registry.MustParseID("nobody")}}); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("for nobody: %v", err)
	}
}

func TestATenantThatIsBehindIsMigratedAtItsFirstLease(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	r := p.add(t, "lazy", registry.IsolationSchema)
	p.migration(t, "00002_more.sql", "-- +goose Up\nALTER TABLE items ADD COLUMN more text;\n")
	db, _, operator := p.setup.open(t.Context(), t, p.log, nil)
	t.Cleanup(db.Close)
	t.Cleanup(operator.Close)
	keeper := p.keeper(t, func(c *pools.Config) { c.Prepare = operator.Prepare })
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			lease, err := keeper.Lease(t.Context(), r.ID)
			if err != nil {
				t.Error(err)
				return
			}
			defer lease.Release()
			if _, err := lease.Exec(t.Context(), "select more from items"); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	if now := p.record(t, r.ID); now.Migrated != 2 {
		t.Errorf("it is at %d", now.Migrated)
	}
}

func TestARunThatAnotherStandsOnIsNotUndone(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	p.add(t, "base", registry.IsolationSchema)
	var runs []string
	for _, file := range []string{"00002_one.sql", "00003_two.sql"} {
		p.migration(t, file, "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n")
		db, _, operator := p.setup.open(t.Context(), t, p.log, nil)
		t.Cleanup(db.Close)
		t.Cleanup(operator.Close)
		p.operator = operator
		op, err := operator.Migrate(t.Context(), "test", lifecycle.MigrateRequest{})
		runs = append(runs, p.done(t, op, err).ID)
	}
	if _, err := p.operator.Migrate(t.Context(), "test", lifecycle.MigrateRequest{Down: true, Run: runs[0]}); !errors.Is(err, lifecycle.ErrState) {
		t.Errorf("undoing the first run under the second: %v", err)
	}
	for _, run := range []string{runs[1], runs[0]} {
		op, err := p.operator.Migrate(t.Context(), "test", lifecycle.MigrateRequest{Down: true, Run: run})
		p.done(t, op, err)
	}
	if r := p.record(t, p.id("base")); r.Migrated != 1 {
		t.Errorf("after both were undone it is at %d", r.Migrated)
	}
}
