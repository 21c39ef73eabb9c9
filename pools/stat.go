package pools

import (
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Stat are the numbers of one pool at one moment.
type Stat struct {
	Tenant  registry.ID `json:"tenant"`
	Cluster string      `json:"cluster"`
	// Version is that of the record the pool was opened for.
	Version uint64 `json:"version"`
	// State is ready or draining.
	State string `json:"state"`
	// Reason is why a draining pool was retired.
	Reason Reason `json:"reason,omitempty"`
	Leases int    `json:"leases"`
	// Idle, Acquired and Opening count connections; Max bounds their sum.
	Idle     int `json:"idle"`
	Acquired int `json:"acquired"`
	Opening  int `json:"opening"`
	Max      int `json:"max"`
	// ApplicationName is what the tenant's sessions are called on the server.
	ApplicationName string `json:"application_name"`
	// Weight and Guaranteed are its share of the cluster's budget.
	Weight     int `json:"weight"`
	Guaranteed int `json:"guaranteed"`
	// Waiting callers want a connection that is not there yet.
	Waiting  int       `json:"waiting"`
	Opened   time.Time `json:"opened"`
	LastUsed time.Time `json:"last_used"`
}

// States of a pool in its Stat.
const (
	StateReady    = "ready"
	StateDraining = "draining"
)

// Stats returns the numbers of every pool, ready and draining, in no order.
// It takes the keeper's lock only to copy the list.
func (k *Keeper) Stats() []Stat {
	k.mu.Lock()
	ready := k.order.all()
	draining := make([]*entry, 0, len(k.draining))
	for e := range k.draining {
		draining = append(draining, e)
	}
	k.mu.Unlock()
	stats := make([]Stat, 0, len(ready)+len(draining))
	for _, e := range ready {
		stats = append(stats, e.stat(StateReady))
	}
	for _, e := range draining {
		stats = append(stats, e.stat(StateDraining))
	}
	return stats
}

func (e *entry) stat(state string) Stat {
	held, opening, _ := e.account.Numbers()
	idle := e.shelf.resting()
	terms := e.terms(e.keeper.limitsOf(e.record.Load()))
	stat := Stat{
		Tenant: e.tenant.ID, Cluster: e.tenant.Cluster, Version: e.record.Load().Version,
		State: state, Leases: int(e.pins.Load() &^ retiredBit),
		Idle: idle, Acquired: max(0, held-idle-opening), Opening: opening,
		Max: terms.Max, Weight: terms.Weight, Guaranteed: terms.Guaranteed, Waiting: e.shelf.waiting(),
		ApplicationName: e.plan.name,
		Opened:          e.opened, LastUsed: e.keeper.epoch.Add(time.Duration(e.used.Load())),
	}
	if state == StateDraining {
		stat.Reason = e.reason
	}
	return stat
}
