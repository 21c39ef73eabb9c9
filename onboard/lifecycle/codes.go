package lifecycle

import (
	"errors"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

const (
	codePartly    = "partly_failed"
	codeCancelled = "cancelled"
	codeBusy      = "busy"
	codeCut       = "interrupted"
)

// codeOf is the stable code of an operation's error, for programs.
func codeOf(err error) string {
	if busy := (*control.BusyError)(nil); errors.As(err, &busy) {
		return codeBusy
	}
	if errors.Is(err, control.ErrLost) { // whatever it was cut in
		return codeCut
	}
	if migration := (*onboard.MigrationError)(nil); errors.As(err, &migration) {
		return "migration_failed"
	}
	for _, c := range []struct {
		err  error
		code string
	}{
		{ErrPartly, codePartly},
		{ErrMigrations, "migrations_failed"},
		{ErrDeclared, "declared"},
		{ErrState, "state"},
		{ErrInput, "bad_request"},
		{ErrUnsupported, "unsupported"},
		{control.ErrTaken, "name_taken"},
		{control.ErrNoKey, "key_unknown"},
		{control.ErrKeyset, "unsupported"},
		{control.ErrStale, "stale"},
		{control.ErrHeldUp, "held_up"},
		{control.ErrExists, "tenant_exists"},
		{onboard.ErrConflict, "name_taken"},
		{onboard.ErrExport, "unsupported"},
		{onboard.ErrInWay, "state"},
		{onboard.ErrClone, "state"},
		{onboard.ErrAbsent, "state"},
		{onboard.ErrForeign, "state"},
		{onboard.ErrName, "bad_request"},
		{onboard.ErrPassword, "bad_request"},
		{onboard.ErrPrivilege, "privilege"},
		{onboard.ErrPower, "privilege"},
		{onboard.ErrCluster, "cluster"},
		{registry.ErrNoReader, "unsupported"},
		{registry.ErrUnknown, "tenant_unknown"},
	} {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return "operation_failed"
}
