package registry

import "context"

// ChangeKind says what happened to a record.
type ChangeKind string

// The kinds of change.
const (
	Added     ChangeKind = "added"
	Changed   ChangeKind = "changed"
	Suspended ChangeKind = "suspended" // it was active and is not any more
	Removed   ChangeKind = "removed"
	// LimitsChanged is told instead of Changed when the record was active, is
	// active, and differs in its ReadPassword and its limits alone, of which
	// StatementTimeout, IdleInTransactionTimeout and IdleAfter are the same: a
	// pool of the tenant's can go on. A source that is not sure tells Changed.
	LimitsChanged ChangeKind = "limits"
)

// Change tells that a record is not what it was.
type Change struct {
	ID   ID
	Kind ChangeKind
}

// Source is where records come from. What every source must do beyond the
// words here is in package sourcetest, as tests.
//
// A source of your own answers with records that are complete and right
// ([CheckTenant]), with a SharedLogin and a SharedReadLogin that are derived
// from all records of the cluster: a tenant whose login another one uses too,
// and that does not say so, passes for walled. [Live] does both for records
// that come from anywhere, and [Static] for a few: keep the records in one of
// them, and feed it.
type Source interface {
	// Tenant returns the record whatever its status, or ErrUnknown; any
	// other error means that the source could not be asked.
	Tenant(ctx context.Context, id ID) (*Tenant, error)
	// List returns up to limit records in the order of their ids, beginning
	// after the given one (the zero ID for the first page).
	List(ctx context.Context, after ID, limit int) ([]*Tenant, error)
	// Watch calls notify after every change until ctx ends. It returns nil
	// then, or why it cannot go on. By the time of the call, Tenant answers
	// with the change. Calls do not overlap, and none comes after Watch has
	// returned. A call without changes comes as soon as Watch listens, and
	// whenever changes may have been missed: what was learnt before is then
	// to be asked again.
	Watch(ctx context.Context, notify func([]Change)) error
}

// Counter is a [Source] that knows how many records it has without reading
// them.
type Counter interface {
	// Count returns the number of records of every status.
	Count() map[Status]int
}

// kindOf says what the change from one version of a record to the next is;
// nil is no record. It never says LimitsChanged, for there may have been
// versions in between; diffKind does.
func kindOf(from, to *Tenant) ChangeKind {
	switch {
	case from == nil:
		return Added
	case to == nil:
		return Removed
	case from.Active() && !to.Active():
		return Suspended
	default:
		return Changed
	}
}

// diffKind is kindOf for versions of which one follows the other.
func diffKind(from, to *Tenant) ChangeKind {
	kind := kindOf(from, to)
	if kind == Changed && from.Active() && from.sameButLimits(to) {
		return LimitsChanged
	}
	return kind
}
