package registry

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// entry is what the cache knows of one id. All fields but used and
// reader are written before the entry is published and never after.
type entry struct {
	tenant *Tenant       // nil for an unknown id
	err    error         // what a lookup returns instead: unknown, inactive, or nil
	loaded time.Duration // when the source said so
	until  time.Duration // when it must be asked again
	epoch  uint64        // entries of earlier epochs must be asked again
	used   atomic.Bool   // since the cache last thought of evicting it
	// reader is derived from the record when it is first asked for.
	reader atomic.Pointer[answer]
}

// answer is what a lookup returns.
type answer struct {
	tenant *Tenant
	err    error
}

// answer is what the entry means for a caller who asks for the tenant, or for
// its reader.
func (e *entry) answer(id ID) (*Tenant, error) {
	switch {
	case e.err != nil:
		return nil, e.err
	case !id.IsReader():
		return e.tenant, nil
	}
	a := e.reader.Load()
	if a == nil {
		t, err := e.tenant.reader()
		e.reader.CompareAndSwap(nil, &answer{t, err})
		a = e.reader.Load()
	}
	return a.tenant, a.err
}

// cache is a bounded set of entries. get needs no lock; the others need the
// registry's mutex.
type cache struct {
	size    int
	entries sync.Map // ID to *entry
	order   *simplelru.LRU[ID, *entry]
}

func newCache(size int) (*cache, error) {
	// One more than the size, because put makes room itself: simplelru would
	// evict by age alone.
	order, err := simplelru.NewLRU[ID, *entry](size+1, nil)
	return &cache{size: size, order: order}, err
}

// get returns the entry of an id, however old, nil when there is none.
func (c *cache) get(id ID) *entry {
	v, ok := c.entries.Load(id)
	if !ok {
		return nil
	}
	e := v.(*entry)
	// Read first: a tenant in demand is written to once, not by every caller
	// on every core.
	if !e.used.Load() {
		e.used.Store(true)
	}
	return e
}

func (c *cache) put(id ID, e *entry) {
	if !c.order.Contains(id) {
		for c.order.Len() >= c.size {
			c.evict()
		}
		// The id may be a part of a request's text, which would stay in
		// memory as a whole.
		id = ID{strings.Clone(id.name)}
	}
	c.order.Add(id, e)
	c.entries.Store(id, e)
}

// evict removes an entry that was not used since it was last looked at: the
// oldest by a second-chance rule, which needs no write on a hit.
func (c *cache) evict() {
	const chances = 32 // bounds the time under the mutex
	for range chances {
		id, e, ok := c.order.GetOldest()
		if !ok || !e.used.Swap(false) {
			break
		}
		c.order.Get(id) // to the young end
	}
	if id, _, ok := c.order.RemoveOldest(); ok {
		c.entries.Delete(id)
	}
}

func (c *cache) remove(id ID) {
	c.order.Remove(id)
	c.entries.Delete(id)
}
