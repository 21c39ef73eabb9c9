package apikey

import (
	"hash/maphash"
	"iter"
	"maps"
	"sync/atomic"
)

// shards is a map that is read without a lock. A writer copies the part that
// it changes, so that a change of one key does not cost as much as all.
type shards struct {
	seed  maphash.Seed
	parts [256]atomic.Pointer[map[string]*entry] // nil is empty; none ever changes
}

func newShards() *shards { return &shards{seed: maphash.MakeSeed()} }

// part is the index of the one that an id is in.
func (s *shards) part(id string) uint8 { return uint8(maphash.String(s.seed, id)) } //nolint:gosec // the lowest bits are what is wanted

func (s *shards) load(part uint8) map[string]*entry {
	if m := s.parts[part].Load(); m != nil {
		return *m
	}
	return nil
}

// get returns nil for an id that is not there.
func (s *shards) get(id string) *entry { return s.load(s.part(id))[id] }

// all yields what was there when it came to its part.
func (s *shards) all() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for i := range s.parts {
			for _, e := range s.load(uint8(i)) {
				if !yield(e) {
					return
				}
			}
		}
	}
}

func (s *shards) len() int {
	n := 0
	for i := range s.parts {
		n += len(s.load(uint8(i)))
	}
	return n
}

// update makes now what is known of the ids; nil is nothing. One writer at a
// time.
func (s *shards) update(now map[string]*entry) {
	copies := map[uint8]map[string]*entry{}
	for id, e := range now {
		part := s.part(id)
		m, copied := copies[part]
		if !copied {
			m = maps.Clone(s.load(part))
			if m == nil {
				m = map[string]*entry{}
			}
			copies[part] = m
		}
		if e == nil {
			delete(m, id)
		} else {
			m[id] = e
		}
	}
	for part, m := range copies {
		s.parts[part].Store(&m)
	}
}
