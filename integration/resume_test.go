package integration_test

import (
	"errors"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestATenantThatIsResumedIsMigratedBeforeItIsServed(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	r := p.add(t, "slept", registry.IsolationSchema)
	if _, err := p.operator.Suspend(t.Context(), "test", r.ID, 0, ""); err != nil {
		t.Fatal(err)
	}
	p.migration(t, "00002_broken.sql", "-- +goose Up\nALTER TABLE items ADD COLUMN id int;\n")
	_, err := p.configured(t, func(*onboard.Config) {}).Resume(t.Context(), "test", r.ID, 0)
	if _, ok := errors.AsType[*onboard.MigrationError](err); !ok {
		t.Errorf("resumed with a migration that fails: %v", err)
	}
	if now := p.record(t, r.ID); now.Active() || now.MigrationError == "" {
		t.Errorf("the tenant is %s, its last migration %q", now.Status, now.MigrationError)
	}
	p.migration(t, "00002_broken.sql", "-- +goose Up\nALTER TABLE items ADD COLUMN mended int;\n")
	if _, err := p.configured(t, func(*onboard.Config) {}).Resume(t.Context(), "test", r.ID, 0); err != nil {
		t.Fatal(err)
	}
	if now := p.record(t, r.ID); !now.Active() || now.Migrated != 2 || now.MigrationError != "" {
		t.Errorf("the tenant is %s at %d, its last migration %q", now.Status, now.Migrated, now.MigrationError)
	}
}
