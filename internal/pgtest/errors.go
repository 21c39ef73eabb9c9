package pgtest

import "errors"

// What can be wrong with the machine rather than with the code. Every error
// of [Start] is one sentence that says what would be right; match the kind
// with errors.Is.
var (
	// ErrNotFound is returned when no usable PostgreSQL was found. Its text
	// fits on one screen and says what to install.
	ErrNotFound = errors.New("no usable PostgreSQL found")
	// ErrFetch is returned when an embedded build could not be fetched.
	ErrFetch = errors.New("cannot fetch PostgreSQL")
	// ErrVersion is returned when the programs are older than [MinMajor] or
	// do not fit the data folder.
	ErrVersion = errors.New("wrong PostgreSQL version")
	// ErrLibrary is returned when a program lacks a shared library.
	ErrLibrary = errors.New("shared library missing")
	// ErrPermission is returned when the user that runs PostgreSQL may not
	// reach the programs or the data folder.
	ErrPermission = errors.New("no permission")
	// ErrPortInUse is returned when the wanted port is taken.
	ErrPortInUse = errors.New("port in use")
	// ErrInUse is returned when another process is using the folder.
	ErrInUse = errors.New("folder in use")
	// ErrFolder is returned for a folder that holds something else.
	ErrFolder = errors.New("not a data folder")
	// ErrStopped is returned by calls on a server after Stop.
	ErrStopped = errors.New("server is stopped")
	// ErrFailed is returned when postgres or initdb failed for a reason that
	// has no kind of its own; the text ends with its last words.
	ErrFailed = errors.New("PostgreSQL failed")
)

// kindError is one sentence of a kind.
type kindError struct {
	kind error
	text string
}

func (e *kindError) Error() string { return "pgtest: " + e.text }

func (e *kindError) Unwrap() error { return e.kind }

// fail returns an error of the given kind whose text is the sentence alone.
func fail(kind error, text string) error { return &kindError{kind: kind, text: text} }
