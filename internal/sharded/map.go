// Package sharded has a map that is read without a lock by any number of
// readers while somebody changes it: what serves requests from memory (tenants'
// records, API keys) is looked at far more often than it changes.
package sharded

import (
	"hash/maphash"
	"iter"
	"maps"
	"sync/atomic"
)

// Map holds pointers by key. A writer copies the part that it changes, one of
// 256, so that a change of one entry does not cost as much as all. Make one
// with [New].
type Map[K comparable, V any] struct {
	seed  maphash.Seed
	text  func(K) string
	parts [256]atomic.Pointer[map[K]*V] // nil is empty; none ever changes
}

// New returns an empty Map. text is what tells one key from another.
func New[K comparable, V any](text func(K) string) *Map[K, V] {
	return &Map[K, V]{seed: maphash.MakeSeed(), text: text}
}

// part is the index of the one that a key is in.
func (m *Map[K, V]) part(key K) uint8 { return uint8(maphash.String(m.seed, m.text(key))) } //nolint:gosec // the lowest bits are what is wanted

func (m *Map[K, V]) load(part uint8) map[K]*V {
	if p := m.parts[part].Load(); p != nil {
		return *p
	}
	return nil
}

// Get returns nil for a key that is not there.
func (m *Map[K, V]) Get(key K) *V { return m.load(m.part(key))[key] }

// All yields what was there when it came to its part.
func (m *Map[K, V]) All() iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		for i := range m.parts {
			for key, value := range m.load(uint8(i)) {
				if !yield(key, value) {
					return
				}
			}
		}
	}
}

// Len is how many there are, part after part.
func (m *Map[K, V]) Len() int {
	n := 0
	for i := range m.parts {
		n += len(m.load(uint8(i)))
	}
	return n
}

// Update makes now what is known of the keys; nil is nothing. One writer at a
// time.
func (m *Map[K, V]) Update(now map[K]*V) {
	copies := map[uint8]map[K]*V{}
	for key, value := range now {
		part := m.part(key)
		c, copied := copies[part]
		if !copied {
			c = maps.Clone(m.load(part))
			if c == nil {
				c = map[K]*V{}
			}
			copies[part] = c
		}
		if value == nil {
			delete(c, key)
		} else {
			c[key] = value
		}
	}
	for part, c := range copies {
		m.parts[part].Store(&c)
	}
}
