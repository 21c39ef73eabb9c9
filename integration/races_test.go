package integration_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// configured is another operator on the plane's databases, with settings of
// its own.
func (p *plane) configured(t *testing.T, edit func(*onboard.Config)) *lifecycle.Operator {
	t.Helper()
	cfg := onboard.Defaults()
	cfg.Migrations, cfg.Shared, cfg.Exports, cfg.MaxConns = p.setup.Migrations, p.setup.Shared, p.setup.Exports, 4
	edit(&cfg)
	log := slog.New(slog.NewTextHandler(p.log, nil))
	provisioner, err := onboard.New(cfg, p.setup.clusters(), log)
	if err != nil {
		t.Fatal(err)
	}
	o := lifecycle.New(lifecycle.Deps{
		Control: p.db, Provisioner: provisioner, Clusters: p.setup.clusters(), Plans: p.setup.Plans, Config: cfg, Log: log,
	})
	t.Cleanup(o.Close)
	return o
}

// locked has somebody work on a tenant until unlock.
func (p *plane) locked(t *testing.T, id registry.ID, what string) (unlock func()) {
	t.Helper()
	_, unlock, err := p.db.Lock(t.Context(), id, what)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unlock)
	return unlock
}

// heldMigration is one that the tenant lacks, and that waits for release. begun
// returns when somebody is in it.
func (p *plane) heldMigration(t *testing.T, r *control.Record) (begun, release func()) {
	t.Helper()
	p.migration(t, "00002_held.sql", "-- +goose Up\nALTER TABLE items ADD COLUMN held int;\n")
	holder, err := pgx.Connect(t.Context(), p.setup.Admin)
	if err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() { holder.Close(context.WithoutCancel(t.Context())) })
	t.Cleanup(release)
	table := pgx.Identifier{r.Schema, "items"}.Sanitize()
	p.exec(t.Context(), t, holder, "begin")
	p.exec(t.Context(), t, holder, "lock table "+table+" in access exclusive mode")
	begun = func() {
		t.Helper()
		eventually(t, "the migration to be under way", func() bool {
			return len(p.texts(t.Context(), t, holder, "select mode from pg_locks where relation = $1::regclass and not granted", table)) > 0
		})
	}
	return begun, release
}

func TestManyTenantsAreCopiedFromOneTemplateAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	template := p.add(t, "template", registry.IsolationSchema)
	o := p.configured(t, func(c *onboard.Config) { c.Template = template.ID.String() })
	ops := make([]control.Operation, 6)
	for i := range ops {
		var err error
		ops[i], err = o.Add(t.Context(), "test", lifecycle.Spec{Tenant: registry.Tenant{ID: p.id(fmt.Sprintf("copy%d", i))}})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, op := range ops {
		if err := o.Follow(t.Context(), op.ID, func(now control.Operation) error { op = now; return nil }); err != nil || op.State != control.Done {
			t.Errorf("copy %d: %v %s %s", i, err, op.State, op.Error)
			continue
		}
		p.works(t, p.record(t, op.Tenant))
	}
}

func TestASuspensionDuringAResumptionHolds(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	r := p.add(t, "twice", registry.IsolationSchema)
	if _, err := p.operator.Suspend(t.Context(), "test", r.ID, 0, "unpaid"); err != nil {
		t.Fatal(err)
	}
	begun, release := p.heldMigration(t, r)
	o := p.configured(t, func(*onboard.Config) {})
	resumed := make(chan error, 1)
	go func() {
		_, err := o.Resume(t.Context(), "test", r.ID, 0)
		resumed <- err
	}()
	begun() // a suspension that the resumption has yet to look at is not meant: it was there before
	if _, err := p.operator.Suspend(t.Context(), "test", r.ID, 0, "abuse"); err != nil {
		t.Fatal(err)
	}
	release()
	if err := <-resumed; !errors.Is(err, lifecycle.ErrState) || !strings.Contains(err.Error(), "abuse") {
		t.Errorf("resumed: %v", err)
	}
	if now := p.record(t, r.ID); now.State != registry.StatusSuspended || now.Reason != "abuse" {
		t.Errorf("the tenant is %s: %s", now.State, now.Reason)
	}
}

func TestAPasswordIsNotSetBackToTheOneBeforeARotation(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	r := p.add(t, "stale", registry.IsolationSchema)
	unlock := p.locked(t, r.ID, "rotate")
	asked := make(chan error, 1)
	var answer registry.Secret
	go func() {
		var err error
		answer, err = p.operator.Password(t.Context(), &r.Tenant)
		asked <- err
	}()
	next := registry.NewSecret("another one")
	changed, err := p.db.Update(t.Context(), r.ID, 0, func(r *control.Record) error { r.Password = next; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := p.provisioner.SetPassword(t.Context(), &changed.Tenant); err != nil {
		t.Fatal(err)
	}
	unlock()
	if err := <-asked; err != nil || answer != next {
		t.Errorf("the answer is another: %t, %v", answer != next, err)
	}
	p.works(t, p.record(t, r.ID))
}

func TestALazyMigrationWaitsForWhoeverWorksOnTheTenant(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	r := p.add(t, "lazy", registry.IsolationSchema)
	p.migration(t, "00002_more.sql", "-- +goose Up\nCREATE TABLE more (x int);\n")
	o := p.configured(t, func(*onboard.Config) {})
	unlock := p.locked(t, r.ID, "export")
	prepared := make(chan error, 1)
	go func() { prepared <- o.Prepare(t.Context(), &r.Tenant) }()
	select {
	case err := <-prepared:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	unlock()
	if err := <-prepared; err != nil || p.record(t, r.ID).Migrated != 2 {
		t.Errorf("prepared: %v, at %d", err, p.record(t, r.ID).Migrated)
	}
}

func TestACopyIsNotMadeFromAnotherTenantOfTheSameName(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	copied, source := p.id("copied"), p.id("source")
	_, err := p.db.Create(t.Context(), &control.Record{ClonedFrom: source, Tenant: registry.Tenant{
		ID: copied, Cluster: "main", Isolation: registry.IsolationSchema, Schema: "copied", Login: p.prefix + "_copied", Password: registry.NewSecret("x"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	again := func(want string) {
		t.Helper()
		op, err := p.operator.Provision(t.Context(), "test", copied)
		if err != nil {
			t.Fatal(err)
		}
		if op = p.ended(t, op); op.State != control.Failed || op.Code != "state" || !strings.Contains(op.Error, want) {
			t.Errorf("the copy ended as %s %s: %s", op.State, op.Code, op.Error)
		}
	}
	again("is gone")
	p.add(t, "source", registry.IsolationSchema)
	again("is not the tenant any more")
}

func TestACanaryThatIsNotThereStopsARun(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	r := p.add(t, "there", registry.IsolationSchema)
	p.migration(t, "00002_more.sql", "-- +goose Up\nCREATE TABLE more (x int);\n")
	o := p.configured(t, func(*onboard.Config) {})
	_, err := o.Migrate(t.Context(), "test", lifecycle.MigrateRequest{Canary: []registry.ID{p.id("typo")}})
	if !errors.Is(err, registry.ErrUnknown) || p.record(t, r.ID).Migrated != 1 {
		t.Errorf("the run: %v", err)
	}
}

func TestATenantThatCouldNotBeRetiredSaysWhy(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	r := p.add(t, "stays", registry.IsolationSchema)
	o := p.configured(t, func(c *onboard.Config) { c.Exports = "" })
	op, err := o.Retire(t.Context(), "test", r.ID, 0, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Follow(t.Context(), op.ID, func(now control.Operation) error { op = now; return nil }); err != nil || op.Code != "unsupported" {
		t.Errorf("retired without a folder for the export: %v %s %s", err, op.Code, op.Error)
	}
	now := p.record(t, r.ID)
	if now.State != registry.StatusSuspended || !strings.Contains(now.Reason, "onboard.exports") || !strings.Contains(now.Reason, "resume") {
		t.Errorf("it is %s: %s", now.State, now.Reason)
	}
	if _, err := o.Resume(t.Context(), "test", r.ID, 0); err != nil {
		t.Error(err)
	}
}

func TestAnOperationThatLosesItsLockSaysSo(t *testing.T) {
	t.Parallel()
	p := newPlane(t, func(s *planeSetup) { s.LockTTL = 500 * time.Millisecond })
	r := p.add(t, "lost", registry.IsolationSchema)
	if _, err := p.operator.Suspend(t.Context(), "test", r.ID, 0, ""); err != nil {
		t.Fatal(err)
	}
	p.migration(t, "00002_slow.sql", "-- +goose Up\nSELECT pg_sleep(60);\n") // cut short by the loss
	o := p.configured(t, func(*onboard.Config) {})
	op, err := o.Provision(t.Context(), "test", r.ID)
	if err != nil {
		t.Fatal(err)
	}
	c, err := pgx.Connect(t.Context(), p.setup.Control)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	eventually(t, "the lock to be taken away", func() bool {
		tag, err := c.Exec(t.Context(), "DELETE FROM poolkeeper.locks")
		return err == nil && tag.RowsAffected() == 1
	})
	if err := o.Follow(t.Context(), op.ID, func(now control.Operation) error { op = now; return nil }); err != nil || !strings.Contains(op.Error, "lock lost") {
		t.Errorf("the operation ended as %s: %s, %v", op.State, op.Error, err)
	}
}
