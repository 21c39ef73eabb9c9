package metrics

import (
	"maps"
	"sync"
	"sync/atomic"
)

// An index finds the instrument of a label combination without a lock and
// without allocating. It is for few keys: adding one copies the map.
type index[K comparable, V any] struct {
	create func(K) V // called once per key, under mu

	mu    sync.Mutex // serialises additions
	found atomic.Pointer[map[K]V]
}

func newIndex[K comparable, V any](create func(K) V) *index[K, V] {
	x := &index[K, V]{create: create}
	x.found.Store(&map[K]V{})
	return x
}

func (x *index[K, V]) at(key K) V {
	if v, ok := (*x.found.Load())[key]; ok {
		return v
	}
	return x.add(key)
}

func (x *index[K, V]) add(key K) V {
	x.mu.Lock()
	defer x.mu.Unlock()
	old := *x.found.Load()
	if v, ok := old[key]; ok {
		return v
	}
	next := maps.Clone(old)
	next[key] = x.create(key)
	x.found.Store(&next)
	return next[key]
}
