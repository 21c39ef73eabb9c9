package pools

import (
	"sync/atomic"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

// permit is a slot of the budget together with everything that needs it: the
// opening of a connection, and the socket for as long as it exists. Whoever
// is the last to drop it gives the slot back.
type permit struct {
	slot *budget.Slot
	refs atomic.Int32
}

// newPermit returns a permit that the caller must drop.
func newPermit(slot *budget.Slot) *permit {
	p := &permit{slot: slot}
	p.refs.Store(1)
	return p
}

// hold is for who knows that somebody else holds the permit.
func (p *permit) hold() { p.refs.Add(1) }

// tryHold reports false when the permit was given back meanwhile.
func (p *permit) tryHold() bool {
	for {
		n := p.refs.Load()
		if n == 0 {
			return false
		}
		if p.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (p *permit) drop() {
	if p.refs.Add(-1) == 0 {
		p.slot.Free()
	}
}
