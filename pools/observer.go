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
	// ConnChanged is called when a connection was opened ("opened", "dial"),
	// when it was closed ("closed" and why: idle, lifetime, lost, drift,
	// discarded, cut, or the reason its pool was retired for), and when a
	// session came back changed ("drift" and its kind: search_path, role,
	// setting, transaction, statements, reset).
	ConnChanged(id registry.ID, cluster, event, detail string)
	// Acquired is called after each try to get a connection: start is warm
	// for a connection that was there, dial for a new one.
	Acquired(id registry.ID, cluster, start string, took time.Duration, err error)
}

// Outcomes of a lease, starts of a connection and events of one, as the
// Observer gets them.
const (
	OutcomeHit     = "hit"
	OutcomeOpened  = "opened"
	OutcomeRefused = "refused"

	StartWarm = "warm"
	StartDial = "dial"

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
