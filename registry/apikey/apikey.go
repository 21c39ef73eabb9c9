package apikey

import (
	"errors"
	"strings"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Scope is what a key may do.
type Scope string

// The scopes.
const (
	ScopeWrite Scope = "write" // all that the tenant's login may
	ScopeRead  Scope = "read"  // through a login that may only read
)

// Key is what is known of a key, which is not its text.
type Key struct {
	ID     string // stands in the text, for recognition
	Tenant registry.ID
	Name   string
	Scope  Scope

	CreatedAt time.Time
	CreatedBy string
	ExpiresAt time.Time // zero: never
	RevokedAt time.Time // zero: it is not
	LastUsed  time.Time // zero: never, as far as is known; minutes behind
	Version   uint64
}

// Status is whether a key may be used.
type Status string

// The states of a key.
const (
	StatusActive  Status = "active"
	StatusExpired Status = "expired" // it would be active again with another end
	StatusRevoked Status = "revoked" // for good
)

// Status returns the key's state at a time.
func (k Key) Status(now time.Time) Status {
	switch {
	case !k.RevokedAt.IsZero():
		return StatusRevoked
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return StatusExpired
	default:
		return StatusActive
	}
}

// Prefix is what the key's text begins with, by which people recognise it.
func (k Key) Prefix() string { return Prefix + k.ID }

// Stored is a key and the hash of its text.
type Stored struct {
	Key
	Hash Hash
}

// Why a text is no key that may be used; match them with errors.Is. The last
// three come with the id that the text names, never with more of it.
var (
	// ErrMalformed is returned for a text that is no key's.
	ErrMalformed = errors.New("apikey: malformed")
	// ErrUnknown is returned for a key that does not exist.
	ErrUnknown = errors.New("apikey: unknown")
	// ErrExpired is returned after Key.ExpiresAt.
	ErrExpired = errors.New("apikey: expired")
	// ErrRevoked is returned after Key.RevokedAt.
	ErrRevoked = errors.New("apikey: revoked")
)

// refusal is why a text was refused, put into words only when somebody reads
// them: whoever guesses gets many.
type refusal struct {
	why error
	id  string // that the text names
}

// refused copies the id, which is a part of the text.
func refused(why error, id string) error { return &refusal{why, strings.Clone(id)} }

func (r *refusal) Error() string { return r.why.Error() + ": " + Prefix + r.id }

func (r *refusal) Unwrap() error { return r.why }
