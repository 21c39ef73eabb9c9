package control

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Errors of a [Database]; match them with errors.Is.
var (
	// ErrExists is returned by Create for an id that has a record.
	ErrExists = errors.New("control: tenant exists")
	// ErrUnknown is returned, wrapped, for an id without a record.
	ErrUnknown = registry.ErrUnknown
	// ErrStale is returned by Update when the record is of another version.
	ErrStale = errors.New("control: the record has changed meanwhile")
	// ErrTaken is returned for a schema, database or login for reading that
	// another tenant has; the text names the field.
	ErrTaken = errors.New("control: place is taken by another tenant")
	// ErrNoSuch is returned for an operation that is not in the journal.
	ErrNoSuch = errors.New("control: no such operation")
	// ErrNoKey is returned, wrapped, for an API key that the tenant does not
	// have.
	ErrNoKey = errors.New("control: no such key")
	// ErrTooManyKeys is returned, wrapped, for a tenant that has MaxKeys
	// active keys.
	ErrTooManyKeys = errors.New("control: the tenant has too many API keys")
	// ErrHeldUp is returned when another transaction keeps everybody from
	// writing records.
	ErrHeldUp = errors.New("control: records cannot be written: another session holds them, such as one that is idle in transaction; look into pg_stat_activity and pg_locks")
	// ErrNewer is returned by Open when the control database was migrated by
	// a release that this one cannot work beside.
	ErrNewer = errors.New("control: the control database is of a newer release")
	// ErrKeyset is returned when control.keyset is missing and needed, cannot
	// be read, or is not the one that the database was sealed with.
	ErrKeyset = errors.New("control: keyset missing or wrong")
	// ErrLost is the cause of a locked context that ended because the lock
	// could not be kept.
	ErrLost = errors.New("control: lock lost")
)

// BusyError is returned by Lock: the tenant is worked on by somebody else.
type BusyError struct {
	Tenant registry.ID
	What   string // the kind of work
	Holder string // the name of the process
}

// Error says who works on what.
func (e *BusyError) Error() string {
	return fmt.Sprintf("tenant %s is busy: %s by %s", e.Tenant, e.What, e.Holder)
}

// The constraints that speak of tenants.
const (
	oneRecord   = "tenants_pkey"
	ownSchema   = "tenants_own_schema"
	ownDatabase = "tenants_own_database"
	ownReader   = "tenants_own_reader"
)

// storing explains why a record could not be stored.
func storing(t *registry.Tenant, err error) error {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || refused.Code != "23505" {
		return fmt.Errorf("control: storing tenant %q: %w", t.ID, err)
	}
	switch refused.ConstraintName {
	case oneRecord:
		return fmt.Errorf("%w: %q", ErrExists, t.ID)
	case ownSchema:
		return fmt.Errorf("%w: schema: %q of cluster %s is not free for %q; give it another schema or database", ErrTaken, t.Schema, t.Cluster, t.ID)
	case ownReader:
		return fmt.Errorf("%w: read_login: a login of %q on cluster %s is another tenant's, or one login would both read and write; give each one of its own",
			ErrTaken, t.ID, t.Cluster)
	case ownDatabase:
		field := "database"
		if !t.DSN.IsZero() {
			field = "dsn"
		}
		return fmt.Errorf("%w: %s: %q shares a database of cluster %s with a tenant of database isolation, which has it to itself; give one of them another",
			ErrTaken, field, t.ID, t.Cluster)
	default:
		return fmt.Errorf("control: storing tenant %q: %w", t.ID, err)
	}
}

func unknown(id registry.ID) error { return fmt.Errorf("%w: %q", ErrUnknown, id) }
