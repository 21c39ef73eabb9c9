package registry

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/poolkeeper/poolkeeper/internal/sharded"
)

// view is what the readers of a Live see.
type view struct {
	places *sharded.Map[ID, location]

	mu     sync.RWMutex // guards what follows
	sorted []*Tenant    // by id
	count  map[Status]int
}

// few is how many records are put in their places one by one; with more it is
// cheaper to sort all of them anew.
const few = 64

func (v *view) tenant(id ID) (*Tenant, error) {
	if at := v.places.Get(id); at != nil {
		return &at.Tenant, nil
	}
	return nil, fmt.Errorf("%w %q", ErrUnknown, id)
}

func (v *view) list(after ID, limit int) []*Tenant {
	v.mu.RLock()
	defer v.mu.RUnlock()
	from, found := v.place(after)
	if found {
		from++
	}
	to := min(from+max(limit, 0), len(v.sorted))
	return slices.Clone(v.sorted[from:to])
}

func (v *view) counts() map[Status]int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return maps.Clone(v.count)
}

// place is where an id is, or belongs. It needs mu.
func (v *view) place(id ID) (int, bool) {
	return slices.BinarySearchFunc(v.sorted, &Tenant{ID: id}, byID)
}

// update makes now what is known of the ids; nil is nothing.
func (v *view) update(now map[ID]*location) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(now) > few {
		v.sorted = slices.DeleteFunc(v.sorted, func(t *Tenant) bool { _, is := now[t.ID]; return is })
		v.sorted = slices.Grow(v.sorted, len(now))
	}
	for id, at := range now {
		v.recount(id, at)
		switch {
		case len(now) <= few:
			v.put(id, at)
		case at != nil:
			v.sorted = append(v.sorted, &at.Tenant)
		}
	}
	v.places.Update(now)
	if len(now) > few {
		slices.SortFunc(v.sorted, byID)
	}
}

// recount needs mu, and the places as they were before.
func (v *view) recount(id ID, at *location) {
	if was := v.places.Get(id); was != nil {
		v.count[was.Status]--
	}
	if at != nil {
		v.count[at.Status]++
	}
}

// put stores one record among the sorted, or takes it out. It needs mu.
func (v *view) put(id ID, at *location) {
	i, found := v.place(id)
	switch {
	case at == nil && found:
		v.sorted = slices.Delete(v.sorted, i, i+1)
	case at == nil:
	case found:
		v.sorted[i] = &at.Tenant
	default:
		v.sorted = slices.Insert(v.sorted, i, &at.Tenant)
	}
}
