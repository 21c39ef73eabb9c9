package control

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/seal"
)

// Config of the control database; the section control of the configuration.
type Config struct {
	// DSN reaches the control database, a database of its own, with a login
	// that owns it. Zero means that there is none.
	DSN registry.Secret
	// Keyset seals the secrets of tenants: a Tink keyset as JSON, usually
	// env:NAME or file:PATH. Without one no secret can be stored.
	Keyset registry.Secret
	// LockTTL is how long a holder of locks may be silent before they are
	// anybody's. It has to be longer than the database may be out of reach
	// without work being cut short. Default 15s.
	LockTTL time.Duration
	// Poll is how often changes are looked for without having been told of
	// any: how late one is noticed when notifications do not come through.
	// Default 30s.
	Poll time.Duration
	// Keep is how long operations that ended are kept, and what tells of
	// tenants and keys that were deleted. 0 keeps them for ever. Default
	// 8760h, which is a year.
	Keep time.Duration
}

// The bounds of the settings.
const (
	minPoll, maxPoll       = 100 * time.Millisecond, time.Hour
	minLockTTL, maxLockTTL = 300 * time.Millisecond, time.Hour
	minKeep, maxKeep       = time.Hour, 100 * 8760 * time.Hour
)

// Defaults returns the configuration of a program that sets nothing.
func Defaults() Config {
	return Config{LockTTL: 15 * time.Second, Poll: 30 * time.Second, Keep: 8760 * time.Hour}
}

// Validate names each field that is wrong and says what would be right. A DSN
// that is missing is right; so is one, or a keyset, that is still a reference.
func (c Config) Validate() error {
	var wrong []error
	if c.DSN.IsZero() && !c.Keyset.IsZero() {
		wrong = append(wrong, errors.New("control.dsn: is missing, but control.keyset is there; give both or none"))
	}
	if !c.DSN.IsZero() && !isReference(c.DSN.Reveal()) {
		if _, err := pgconn.ParseConfig(c.DSN.Reveal()); err != nil { // its text may contain the password
			wrong = append(wrong, errors.New("control.dsn: is no connection string; write postgres://login:password@host:port/database"))
		}
	}
	if !c.Keyset.IsZero() && !isReference(c.Keyset.Reveal()) {
		if _, err := seal.Parse(c.Keyset); err != nil {
			wrong = append(wrong, fmt.Errorf("control.keyset: %w", err))
		}
	}
	between := func(field string, d, least, most time.Duration) {
		if d < least || d > most {
			wrong = append(wrong, fmt.Errorf("%s: is %s; it must be %s to %s", field, d, least, most))
		}
	}
	between("control.lock_ttl", c.LockTTL, minLockTTL, maxLockTTL)
	between("control.poll", c.Poll, minPoll, maxPoll)
	if c.Keep != 0 {
		between("control.keep", c.Keep, minKeep, maxKeep)
	}
	return errors.Join(wrong...)
}

// Options are what a program gives beside its configuration.
type Options struct {
	// Clusters are the servers that records may name.
	Clusters map[string]registry.Cluster
	// Plans are the blocks of defaults that records may name; see SetPlans.
	Plans map[string]registry.Plan
	// Name is this process's, for locks, operations and replicas. Default
	// host:pid.
	Name string
	// StaleFor is how long keys in memory are believed after the database
	// should have been asked for changes, while it cannot be: for keys what
	// registry.Config.StaleFor is for tenants. Default 0: not at all.
	StaleFor time.Duration
	// Log is told what nobody asked for: records that cannot be served,
	// connections that were lost. nil means nobody listens.
	Log Logger
}

// Logger is what Options.Log takes.
type Logger = *slog.Logger
