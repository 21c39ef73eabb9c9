package world

import (
	"sync/atomic"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Events counts what a keeper does. It is a pools.Observer.
type Events struct {
	opened, retired                atomic.Int64 // pools
	warm, handoff, spare, dial     atomic.Int64 // acquires that were served, by start
	dialled, handedOver, tookSpare atomic.Int64 // connections opened
	closed, stolen, given          atomic.Int64 // connections closed
	refused                        atomic.Int64 // acquires that were not served
}

// Count is what Events has counted up to a moment.
type Count struct {
	PoolsOpened, PoolsRetired           int64
	Warm, Handoff, Spare, Dial, Refused int64 // acquires
	Dialled, HandedOver, TookSpare      int64 // connections opened
	Closed, Stolen, Given               int64 // and closed
}

// Leased implements pools.Observer.
func (e *Events) Leased(registry.ID, string, string, error) {}

// PoolChanged implements pools.Observer.
func (e *Events) PoolChanged(_ registry.ID, _ string, reason pools.Reason) {
	if reason == "" {
		e.opened.Add(1)
	} else {
		e.retired.Add(1)
	}
}

// ConnChanged implements pools.Observer.
func (e *Events) ConnChanged(_ registry.ID, _, event, detail string) {
	switch event {
	case pools.EventOpened:
		e.connOpened(detail)
	case pools.EventClosed:
		e.connClosed(detail)
	}
}

func (e *Events) connOpened(how string) {
	switch how {
	case pools.StartHandoff:
		e.handedOver.Add(1)
	case pools.StartSpare:
		e.tookSpare.Add(1)
	default:
		e.dialled.Add(1)
	}
}

func (e *Events) connClosed(why string) {
	e.closed.Add(1)
	switch why {
	case "stolen":
		e.stolen.Add(1)
	case "handoff":
		e.given.Add(1)
	}
}

// Acquired implements pools.Observer.
func (e *Events) Acquired(_ registry.ID, _, start string, _ time.Duration, err error) {
	switch {
	case err != nil:
		e.refused.Add(1)
	case start == pools.StartHandoff:
		e.handoff.Add(1)
	case start == pools.StartSpare:
		e.spare.Add(1)
	case start == pools.StartDial:
		e.dial.Add(1)
	default:
		e.warm.Add(1)
	}
}

// Count returns the counts of this moment.
func (e *Events) Count() Count {
	return Count{
		PoolsOpened: e.opened.Load(), PoolsRetired: e.retired.Load(),
		Warm: e.warm.Load(), Handoff: e.handoff.Load(), Spare: e.spare.Load(), Dial: e.dial.Load(), Refused: e.refused.Load(),
		Dialled: e.dialled.Load(), HandedOver: e.handedOver.Load(), TookSpare: e.tookSpare.Load(),
		Closed: e.closed.Load(), Stolen: e.stolen.Load(), Given: e.given.Load(),
	}
}

// Minus returns what was counted since an earlier moment.
func (c Count) Minus(earlier Count) Count {
	c.PoolsOpened -= earlier.PoolsOpened
	c.PoolsRetired -= earlier.PoolsRetired
	c.Warm -= earlier.Warm
	c.Handoff -= earlier.Handoff
	c.Spare -= earlier.Spare
	c.Dial -= earlier.Dial
	c.Refused -= earlier.Refused
	c.Dialled -= earlier.Dialled
	c.HandedOver -= earlier.HandedOver
	c.TookSpare -= earlier.TookSpare
	c.Closed -= earlier.Closed
	c.Stolen -= earlier.Stolen
	c.Given -= earlier.Given
	return c
}

// Plus adds two counts.
func (c Count) Plus(other Count) Count {
	return c.Minus(Count{}.Minus(other))
}
