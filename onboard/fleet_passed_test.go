package onboard_test

import (
	"errors"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
)

// Its newest number alone looks right.
func TestATenantThatLacksAFileWithALowerNumberIsToldWhenItsVersionIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.fleet(1)[0]
	w.migrate(w.next(onboard.Config{}, map[string]string{"00005_five.sql": "-- +goose Up\nSELECT 1;\n"}), onboard.MigrateOptions{}, a)
	p := w.next(onboard.Config{}, map[string]string{"00003_three.sql": "-- +goose Up\nSELECT 1;\n", "00005_five.sql": "-- +goose Up\nSELECT 1;\n"})
	if version, err := p.VersionOf(t.Context(), a); version != 5 || !errors.Is(err, onboard.ErrMigrations) || !contains(err, "00003_three.sql") {
		t.Errorf("asked for its version: %d, %v", version, err)
	}
}
