package admission

import (
	"maps"
	"sync"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// shard holds the states of some of the tenants, so that two tenants seldom
// wait for each other.
type shard struct {
	// mu guards what follows, and every state in it. Nothing slow happens
	// under it.
	mu     sync.Mutex
	states map[registry.ID]*state
	most   int // states that the map has held since it was made
}

// enter is [state.enter] on the tenant's state, which is made when there is
// none. The clock is read under the mutex, so that it never goes back.
func (s *shard) enter(id registry.ID, t terms) (*state, quota, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.states[id]
	if st == nil {
		if s.states == nil {
			s.states = map[registry.ID]*state{}
		}
		st = &state{}
		s.states[id] = st
		s.most = max(s.most, len(s.states))
	}
	q, err := st.enter(time.Now(), t)
	return st, q, err
}

func (s *shard) leave(st *state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.inFlight--
}

func (s *shard) undo(st *state, t terms, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.undo(time.Now(), t, wait)
}

// sweep forgets the states at rest and returns how many are left.
func (s *shard) sweep() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for id, st := range s.states {
		if st.rests(now) {
			delete(s.states, id)
		}
	}
	if len(s.states) <= s.most/4 {
		s.shrink()
	}
	return len(s.states)
}

// shrink gives back the room of those that have gone, which a map keeps.
func (s *shard) shrink() {
	smaller := make(map[registry.ID]*state, len(s.states))
	maps.Copy(smaller, s.states)
	s.states, s.most = smaller, len(smaller)
	if len(smaller) == 0 {
		s.states = nil
	}
}
