package pools

import (
	"math"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/poolkeeper/poolkeeper/registry"
)

// order knows which ready pool was used least recently. Hits do not touch
// it: they note the time on the entry, and the order catches up when it is
// asked (fold). Pools that may idle equally long share one list, in which
// the order of last use is the order of expiry too. All methods are called
// with the keeper's mutex held.
type order struct {
	lists map[time.Duration]*simplelru.LRU[registry.ID, *entry]
	size  int
}

func newOrder() *order {
	return &order{lists: map[time.Duration]*simplelru.LRU[registry.ID, *entry]{}}
}

// add reports whether e is the only pool in its list, so that nobody waits
// for that list's oldest yet.
func (o *order) add(e *entry) (first bool) {
	list := o.lists[e.idleAfter]
	if list == nil {
		// The list never evicts by itself: the keeper closes pools, and says why.
		list, _ = simplelru.NewLRU[registry.ID, *entry](math.MaxInt, nil) // fails for a size below one only
		o.lists[e.idleAfter] = list
	}
	e.folded = e.used.Load()
	list.Add(e.tenant.ID, e)
	o.size++
	return list.Len() == 1
}

func (o *order) remove(e *entry) {
	list := o.lists[e.idleAfter]
	if list == nil || !list.Remove(e.tenant.ID) {
		return
	}
	o.size--
	if list.Len() == 0 {
		delete(o.lists, e.idleAfter)
	}
}

// fold moves e behind everything used before at.
func (o *order) fold(e *entry, at int64) {
	if list := o.lists[e.idleAfter]; list != nil {
		list.Get(e.tenant.ID)
		e.folded = at
	}
}

// oldest returns the unleased entry of list that was used least recently,
// after moving every entry out of the way that is leased, or was used since
// it was last folded. It returns nil when all are leased. An unleased entry
// moves at most once, so two rounds of the list are enough.
func (o *order) oldest(list *simplelru.LRU[registry.ID, *entry], now int64) *entry {
	for range 2*list.Len() + 1 {
		_, e, ok := list.GetOldest()
		if !ok {
			return nil
		}
		switch used := e.used.Load(); {
		case e.pins.Load() > 0:
			e.used.Store(now)
			o.fold(e, now)
		case used > e.folded:
			o.fold(e, used)
		default:
			return e
		}
	}
	return nil
}

// victim returns the least recently used entry without leases, or nil.
func (o *order) victim(now int64) *entry {
	var found *entry
	for _, list := range o.lists {
		if e := o.oldest(list, now); e != nil && (found == nil || e.folded < found.folded) {
			found = e
		}
	}
	return found
}

// all returns every entry.
func (o *order) all() []*entry {
	entries := make([]*entry, 0, o.size)
	for _, list := range o.lists {
		entries = append(entries, list.Values()...)
	}
	return entries
}
