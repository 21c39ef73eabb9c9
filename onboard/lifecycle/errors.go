package lifecycle

import (
	"errors"
	"fmt"
)

// Errors of an [Operator], beside those of packages control and onboard; match
// them with errors.Is. Each comes with a sentence that says what would be
// right.
var (
	// ErrDeclared is returned for a change of what the file declares.
	ErrDeclared = errors.New("tenant is declared in the file")
	// ErrState is returned when the tenant's state does not allow it.
	ErrState = errors.New("tenant's state does not allow this")
	// ErrCancel is returned for an operation that cannot be cancelled here.
	ErrCancel = errors.New("operation cannot be cancelled")
	// ErrConfirm is returned for a deletion without the id typed again.
	ErrConfirm = errors.New("deletion is not confirmed")
	// ErrInput is returned for a value that cannot be used; the text names
	// the field.
	ErrInput = errors.New("bad input")
	// ErrUnsupported is returned for what this installation cannot do.
	ErrUnsupported = errors.New("not possible here")
	// ErrClosed is returned when the operator is closing.
	ErrClosed = errors.New("operator is closing")
	// ErrMigrations is returned by an operation whose migrations failed for
	// some tenants.
	ErrMigrations = errors.New("migrations failed")
	// ErrPartly is returned by an operation that failed for some tenants.
	ErrPartly = errors.New("some tenants failed")
)

// refuse returns an error of a kind with a text of its own.
func refuse(kind error, format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{kind}, args...)...)
}
