package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// again asks for an operation until the dead process's lock has run out.
func (p *plane) again(t *testing.T, begin func() (control.Operation, error)) control.Operation {
	t.Helper()
	var op control.Operation
	eventually(t, "the operation to go through", func() bool {
		var err error
		if op, err = begin(); err != nil {
			t.Fatal(err)
		}
		op = p.ended(t, op)
		busy := func(f control.Failure) bool { return strings.Contains(f.Error, "is busy") }
		return op.Code != "busy" && !slices.ContainsFunc(op.Failures, busy)
	})
	if op.State != control.Done {
		t.Fatalf("the second try of %s ended as %s: %s %+v", op.Kind, op.State, op.Error, op.Failures)
	}
	return op
}

// eventually asks until the answer is yes.
func eventually(t testing.TB, what string, yes func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !yes() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestATenantWhoseMakingIsKilledAtAnyStepIsNeverServedHalfDoneAndHeals(t *testing.T) {
	t.Parallel()
	for _, isolation := range []registry.Isolation{registry.IsolationSchema, registry.IsolationDatabase} {
		t.Run(string(isolation), func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, dying)
			everyStep(t, 8, func(t *testing.T, n int) string {
				id := p.id(fmt.Sprintf("add%d", n))
				step := p.doom(t, doomed{Kind: "add", Tenant: id.String(), Isolation: isolation, Step: n})
				if step == "" {
					p.works(t, p.record(t, id))
					return ""
				}
				if r := p.record(t, id); r.Status != registry.StatusPending {
					t.Errorf("killed at %q, the tenant is %s", step, r.Status)
				}
				p.again(t, func() (control.Operation, error) { return p.operator.Provision(t.Context(), "test", id) })
				healed := p.record(t, id)
				if healed.Status != registry.StatusActive || healed.Migrated != 1 {
					t.Errorf("killed at %q and healed, the tenant is %s at %d", step, healed.Status, healed.Migrated)
				}
				p.works(t, healed)
				return step
			})
			p.noSecretLeaked(t)
		})
	}
}

func TestARotationThatIsKilledAtAnyStepLeavesAPasswordThatWorksAndHeals(t *testing.T) {
	t.Parallel()
	p := newPlane(t, dying)
	keeper := p.keeper(t, nil)
	everyStep(t, 3, func(t *testing.T, n int) string {
		before := p.add(t, fmt.Sprintf("rotate%d", n), registry.IsolationSchema)
		step := p.doom(t, doomed{Kind: "rotate", Tenant: before.ID.String(), Step: n})
		lease, err := keeper.Lease(t.Context(), before.ID)
		if err != nil {
			t.Fatal(err)
		}
		defer lease.Release()
		if _, err := lease.Exec(t.Context(), "select * from items"); err != nil {
			t.Errorf("killed at %q, the tenant's pool cannot connect: %v", step, err)
		}
		if step == "" {
			return ""
		}
		p.again(t, func() (control.Operation, error) { return p.operator.Rotate(t.Context(), "test", before.ID) })
		after := p.record(t, before.ID)
		p.works(t, after)
		if after.Password == before.Password || !after.NextPassword.IsZero() {
			t.Errorf("killed at %q and healed, the password has not changed, or is still changing", step)
		}
		if c, err := p.connect(t, before); err == nil {
			_ = c.Close(t.Context())
			t.Errorf("killed at %q and healed, the old password still works", step)
		}
		return step
	})
	p.noSecretLeaked(t)
}

func TestAMigrationThatIsKilledAtAnyStepHeals(t *testing.T) {
	t.Parallel()
	p := newPlane(t, dying)
	everyTenant := map[int]*control.Record{}
	for n := 1; n <= 12; n++ {
		everyTenant[n] = p.add(t, fmt.Sprintf("migrate%d", n), registry.IsolationSchema)
	}
	p.migration(t, "00002_more.sql", "-- +goose Up\nALTER TABLE items ADD COLUMN more text;\n-- +goose Down\nALTER TABLE items DROP COLUMN more;\n")
	p.migration(t, "00003_index.sql", "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX IF NOT EXISTS items_more ON items (more);\n-- +goose Down\nDROP INDEX items_more;\n")
	db, _, operator := p.setup.open(t.Context(), t, p.log, nil)
	t.Cleanup(db.Close)
	t.Cleanup(operator.Close)
	old := p.operator
	p.operator = operator
	t.Cleanup(func() { p.operator = old })
	everyStep(t, 2, func(t *testing.T, n int) string {
		r := everyTenant[n]
		if r == nil {
			return ""
		}
		step := p.doom(t, doomed{Kind: "migrate", Tenant: r.ID.String(), Step: n})
		if step != "" {
			p.again(t, func() (control.Operation, error) {
				return p.operator.Migrate(t.Context(), "test", lifecycle.MigrateRequest{Tenants: []registry.ID{r.ID}})
			})
		}
		if now := p.record(t, r.ID); now.Migrated != 3 || now.MigrationError != "" {
			t.Errorf("killed at %q and healed, the tenant is at %d: %s", step, now.Migrated, now.MigrationError)
		}
		status, err := p.operator.MigrationStatus(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range status.Drift {
			if d.Tenant == r.ID {
				t.Errorf("killed at %q and healed, the mirror says %d and the tenant %d: %v", step, d.Mirror, d.Actual, d.Err)
			}
		}
		return step
	})
}

func TestADeletionThatIsKilledAtAnyStepIsFinishedByAskingAgain(t *testing.T) {
	t.Parallel()
	for _, isolation := range []registry.Isolation{registry.IsolationSchema, registry.IsolationDatabase} {
		t.Run(string(isolation), func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, dying)
			everyStep(t, 4, func(t *testing.T, n int) string {
				r := p.add(t, fmt.Sprintf("delete%d", n), isolation)
				op, err := p.operator.Retire(t.Context(), "test", r.ID, 0, false)
				p.done(t, op, err)
				step := p.doom(t, doomed{Kind: "delete", Tenant: r.ID.String(), Step: n})
				if now, err := p.db.Record(t.Context(), r.ID); err == nil && now.Active() {
					t.Errorf("killed at %q, the tenant is served", step)
				}
				if step != "" {
					p.again(t, func() (control.Operation, error) {
						return p.operator.Delete(t.Context(), "test", r.ID, r.ID.String(), false)
					})
				}
				if _, err := p.db.Record(t.Context(), r.ID); !errors.Is(err, registry.ErrUnknown) {
					t.Errorf("killed at %q and healed, its record: %v", step, err)
				}
				if left := p.leftovers(t, r.ID); len(left) > 0 {
					t.Errorf("killed at %q and healed, the server still has %q", step, left)
				}
				return step
			})
		})
	}
}

// noSecretLeaked looks for every password of the plane's tenants in the control
// database, in the logs of both sides, and in the files that were written.
func (p *plane) noSecretLeaked(t *testing.T) {
	t.Helper()
	records, err := p.db.Records(t.Context(), control.Filter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	places := map[string]string{"the log": p.log.String(), "the control database": p.controlText(t)}
	serverLog, err := os.ReadFile(p.server.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	places["the server's log"] = string(serverLog)
	for _, dir := range []string{p.setup.Exports, filepath.Dir(p.setup.Migrations)} {
		_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				text, err := os.ReadFile(path)
				if err != nil {
					t.Error(err)
				}
				places[path] = string(text)
			}
			return nil
		})
	}
	passwords := 0
	for _, r := range records {
		for _, secret := range []registry.Secret{r.Password, r.NextPassword} {
			if secret.IsZero() {
				continue
			}
			passwords++
			for where, text := range places {
				if strings.Contains(text, secret.Reveal()) {
					t.Errorf("a password of %s stands in %s in clear", r.ID, where)
				}
			}
		}
	}
	if passwords == 0 {
		t.Error("there were no passwords to look for")
	}
}

// controlText is every row of every table of the control database, as text.
func (p *plane) controlText(t *testing.T) string {
	t.Helper()
	c, err := pgx.Connect(t.Context(), p.setup.Control)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	var all strings.Builder
	for _, table := range p.texts(t.Context(), t, c, "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'poolkeeper'") {
		for _, row := range p.texts(t.Context(), t, c, "select x::text from "+table+" x") {
			all.WriteString(row + "\n")
		}
	}
	if all.Len() == 0 {
		t.Error("the control database is empty")
	}
	return all.String()
}
