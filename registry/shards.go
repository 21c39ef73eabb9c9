package registry

import (
	"hash/maphash"
	"iter"
	"maps"
	"sync/atomic"
)

// shards is a map that is read without a lock. A writer copies the part that
// it changes, so that a change of one record does not cost as much as all.
type shards struct {
	seed  maphash.Seed
	parts [256]atomic.Pointer[map[ID]*location] // nil is empty; none ever changes
}

func newShards() *shards { return &shards{seed: maphash.MakeSeed()} }

// part is the index of the one that an id is in.
func (s *shards) part(id ID) uint8 { return uint8(maphash.String(s.seed, id.name)) } //nolint:gosec // the lowest bits are what is wanted

func (s *shards) load(part uint8) map[ID]*location {
	if m := s.parts[part].Load(); m != nil {
		return *m
	}
	return nil
}

// get returns nil for an id that is not there.
func (s *shards) get(id ID) *location { return s.load(s.part(id))[id] }

// ids yields all that were there when it came to their part.
func (s *shards) ids() iter.Seq[ID] {
	return func(yield func(ID) bool) {
		for i := range s.parts {
			for id := range s.load(uint8(i)) {
				if !yield(id) {
					return
				}
			}
		}
	}
}

// update makes now what is known of the ids; nil is nothing. One writer at a
// time.
func (s *shards) update(now map[ID]*location) {
	copies := map[uint8]map[ID]*location{}
	for id, at := range now {
		part := s.part(id)
		m, copied := copies[part]
		if !copied {
			m = maps.Clone(s.load(part))
			if m == nil {
				m = map[ID]*location{}
			}
			copies[part] = m
		}
		if at == nil {
			delete(m, id)
		} else {
			m[id] = at
		}
	}
	for part, m := range copies {
		s.parts[part].Store(&m)
	}
}
