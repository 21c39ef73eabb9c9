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

func (p *permit) hold() { p.refs.Add(1) }

func (p *permit) drop() {
	if p.refs.Add(-1) == 0 {
		p.slot.Free()
	}
}
