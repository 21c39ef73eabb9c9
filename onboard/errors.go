package onboard

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/poolkeeper/poolkeeper/registry"
)

// What can be wrong with a record or its cluster; match with errors.Is. Every
// error of a Provisioner names the tenant.
var (
	// ErrCluster is returned for a record whose cluster is not configured, or
	// has no administrator.
	ErrCluster = errors.New("cluster cannot be provisioned")
	// ErrName is returned for a name that PostgreSQL would cut short or that
	// is not a tenant's to have.
	ErrName = errors.New("name cannot be used")
	// ErrPassword is returned for a password that has characters which
	// clients normalise differently.
	ErrPassword = errors.New("password cannot be used")
	// ErrConflict is returned when a role, schema or database of the wanted
	// name belongs to somebody else, or is not as it was made.
	ErrConflict = errors.New("conflict on the server")
	// ErrInWay is returned by Drop for what keeps the tenant's data or roles
	// where they are; the text says what that is. When it is gone, another Drop
	// finishes.
	ErrInWay = errors.New("something is in the way")
	// ErrPower is returned when a login can do more than a tenant may.
	ErrPower = errors.New("login is too powerful")
	// ErrPrivilege is returned when the administrator may not do what is
	// needed.
	ErrPrivilege = errors.New("administrator lacks a privilege")
	// ErrForeign is returned for a record with a connection string of its own,
	// where something would have to be changed that is not Poolkeeper's.
	ErrForeign = errors.New("database is somebody else's")
	// ErrSpare is returned by Claim for a spare that is not there, or that is
	// not what the tenant is to become; another one may do.
	ErrSpare = errors.New("spare cannot be claimed")
	// ErrMigrations is returned by New for a folder of migrations that cannot
	// be used.
	ErrMigrations = errors.New("migrations cannot be used")
	// ErrClone is returned by Clone for a source that cannot be copied as it is;
	// the text says what stands in the way.
	ErrClone = errors.New("tenant cannot be cloned")
	// ErrExport is returned by Export where it cannot be done as things are: the
	// text says what is missing.
	ErrExport = errors.New("tenant cannot be exported")
	// ErrAbsent is returned for a tenant whose schema or database is not there.
	ErrAbsent = errors.New("place does not exist")
)

// MigrationError says which migration failed for whom.
type MigrationError struct {
	Tenant   registry.ID
	File     string // "" when no single file is to blame
	SQLState string // "" when the server did not refuse
	Err      error
}

// Error names the file and the SQLSTATE. The tenant is named by what wraps it.
func (e *MigrationError) Error() string {
	what := "migrations"
	if e.File != "" {
		what = "migration " + e.File
	}
	if e.SQLState != "" {
		what += " (SQLSTATE " + e.SQLState + ")"
	}
	return fmt.Sprintf("%s: %v", what, e.Err)
}

// Unwrap returns what goose or the server said.
func (e *MigrationError) Unwrap() error { return e.Err }

// refuse returns an error of a kind with a text of its own.
func refuse(kind error, format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{kind}, args...)...)
}

// maxError is the length of an error's text, in bytes.
const maxError = 4000

// briefError is an error with another text.
type briefError struct {
	text string
	err  error
}

func (e *briefError) Error() string { return e.text }
func (e *briefError) Unwrap() error { return e.err }

// brief cuts an error's text that is too long, and takes out what a terminal
// would obey: who owns a schema says what an error in there reads, and errors
// are logged, stored and shown.
func brief(err error) error {
	if err == nil {
		return nil
	}
	is := err.Error()
	text := is
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "") + "…"
	}
	text = strings.Map(printable, text)
	if text == is {
		return err
	}
	return &briefError{text, err}
}

// printable replaces what is no sign: control characters other than those that
// lay out a text, and marks that change the direction of writing.
func printable(r rune) rune {
	if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
		return unicode.ReplacementChar
	}
	return r
}
