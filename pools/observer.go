package pools

import (
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Observer is told what happens. Its methods are called outside every lock;
// they must not block. A nil Observer is allowed.
type Observer interface {
	// Leased is called for every lease with its outcome (hit, opened or
	// refused) and, when refused, the reason; cluster is "" when refused.
	Leased(id registry.ID, cluster, outcome string, err error)
	// PoolChanged is called when a pool is published (reason "") and when it
	// is retired.
	PoolChanged(id registry.ID, cluster string, reason Reason)
	// ConnChanged is called when a connection was opened ("opened" and how:
	// dial, handoff, spare), when it was closed or given away ("closed" and
	// why: idle, lifetime, lost, drift, discarded, cut, handoff, stolen,
	// shrunk, or the reason its pool was retired for), and when a session came
	// back changed ("drift" and its kind: search_path, role, setting,
	// transaction, statements, reset). A spare connection's id is the zero ID.
	ConnChanged(id registry.ID, cluster, event, detail string)
	// Acquired is called after each try to get a connection: start is warm
	// for one of the tenant's own that was there, handoff for one that was
	// another tenant's, spare for one that was nobody's, dial for a new one.
	Acquired(id registry.ID, cluster, start string, took time.Duration, err error)
}

// Outcomes of a lease, starts of a connection and events of one, as the
// Observer gets them.
const (
	OutcomeHit     = "hit"
	OutcomeOpened  = "opened"
	OutcomeRefused = "refused"

	StartWarm    = "warm"
	StartHandoff = "handoff"
	StartSpare   = "spare"
	StartDial    = "dial"

	EventOpened = "opened"
	EventClosed = "closed"
	EventDrift  = "drift"
)

// observed calls fn when there is an Observer.
func (k *Keeper) observed(fn func(Observer)) {
	if k.obs != nil {
		fn(k.obs)
	}
}
