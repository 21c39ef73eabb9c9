package integration_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// A release with a migration that fails is taken back: its tenants are whole,
// and must not be told of as failed for ever.
func TestAFailureEndsWhenItsMigrationIsTakenBack(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]lifecycle.MigrateRequest{"all": {}, "those that failed": {OnlyFailed: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, nil)
			for _, id := range []string{"one", "two"} {
				p.add(t, id, registry.IsolationSchema)
			}
			reopen := func() *lifecycle.Operator {
				db, _, operator := p.setup.open(t.Context(), t, p.log, nil)
				t.Cleanup(db.Close)
				t.Cleanup(operator.Close)
				p.operator = operator
				return operator
			}
			p.migration(t, "00002_bad.sql", "-- +goose Up\nSELECT 1/0;\n")
			op, err := reopen().Migrate(t.Context(), "test", lifecycle.MigrateRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if op = p.ended(t, op); op.State != control.Failed || len(op.Failures) != 2 {
				t.Fatalf("the bad one ended as %s, failures %+v", op.State, op.Failures)
			}
			if err := os.Remove(filepath.Join(p.setup.Migrations, "00002_bad.sql")); err != nil {
				t.Fatal(err)
			}
			operator := reopen()
			op, err = operator.Migrate(t.Context(), "test", request)
			if op = p.done(t, op, err); op.Total != 2 {
				t.Errorf("%d were looked at", op.Total)
			}
			status, err := operator.MigrationStatus(t.Context(), true)
			if err != nil || status.Failed != 0 || status.Behind != 0 || len(status.Drift) != 0 {
				t.Errorf("the status is %+v, %v", status, err)
			}
			op, err = operator.Migrate(t.Context(), "test", request)
			if op = p.done(t, op, err); op.Total != 0 {
				t.Errorf("again, %d were looked at", op.Total)
			}
		})
	}
}
