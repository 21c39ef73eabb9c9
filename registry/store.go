package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// store holds the records of the sources that keep all of them in memory, and
// tells watchers how they change.
type store struct {
	current atomic.Pointer[snapshot] // what readers see

	// mu guards what follows. It is held while watchers are told, so that
	// they hear of changes in their order and of none after they left.
	mu       sync.Mutex
	version  uint64 // the last one given; counts replacements, so that a record that comes back is newer
	watchers audience
}

// snapshot is a state of all records. It never changes.
type snapshot struct {
	byID   map[ID]*Tenant
	sorted []*Tenant // by id
	count  map[Status]int
}

func newStore(tenants []*Tenant) *store {
	s := &store{watchers: audience{}}
	s.current.Store(newSnapshot(nil))
	s.replace(tenants)
	return s
}

// newSnapshot takes tenants in the order of their ids.
func newSnapshot(tenants []*Tenant) *snapshot {
	s := &snapshot{
		byID:   make(map[ID]*Tenant, len(tenants)),
		sorted: tenants,
		count:  noneByStatus(),
	}
	for _, t := range tenants {
		s.byID[t.ID] = t
		s.count[t.Status]++
	}
	return s
}

// noneByStatus is the count of no records.
func noneByStatus() map[Status]int {
	return map[Status]int{StatusPending: 0, StatusActive: 0, StatusSuspended: 0, StatusRetired: 0}
}

// replace makes tenants, which are in the order of their ids and become the
// store's own, the only records. It returns when every watcher was told.
func (s *store) replace(tenants []*Tenant) []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.current.Load()
	changes := s.diffLocked(old, tenants)
	if len(changes) == 0 {
		return nil
	}
	s.current.Store(newSnapshot(tenants))
	s.watchers.tell(changes)
	return changes
}

// diffLocked lists what is different. Changed records get a version; the
// others are replaced by the old ones, which readers may hold already.
func (s *store) diffLocked(old *snapshot, tenants []*Tenant) []Change {
	var changes []Change
	next := s.version + 1
	kept := 0
	for i, t := range tenants {
		was := old.byID[t.ID]
		t.Born = next
		if was != nil {
			kept++
			t.Born = was.Born
			if was.equal(t) {
				tenants[i] = was
				continue
			}
		}
		t.Version = next
		changes = append(changes, Change{t.ID, diffKind(was, t)})
	}
	if kept < len(old.sorted) {
		changes = append(changes, removed(old.sorted, tenants)...)
	}
	if len(changes) > 0 {
		s.version = next
	}
	return changes
}

// removed lists the records of from that are not in to; both are sorted.
func removed(from, to []*Tenant) []Change {
	var changes []Change
	for _, t := range from {
		if _, still := slices.BinarySearchFunc(to, t, byID); !still {
			changes = append(changes, Change{t.ID, Removed})
		}
	}
	return changes
}

// Tenant is [Source].Tenant.
func (s *store) Tenant(_ context.Context, id ID) (*Tenant, error) {
	if t, ok := s.current.Load().byID[id]; ok {
		return t, nil
	}
	return nil, fmt.Errorf("%w %q", ErrUnknown, id)
}

// List is [Source].List.
func (s *store) List(_ context.Context, after ID, limit int) ([]*Tenant, error) {
	all := s.current.Load().sorted
	from, found := slices.BinarySearchFunc(all, &Tenant{ID: after}, byID)
	if found {
		from++
	}
	to := min(from+max(limit, 0), len(all))
	return slices.Clone(all[from:to]), nil
}

// Count is [Counter].Count.
func (s *store) Count() map[Status]int { return maps.Clone(s.current.Load().count) }

// Watch is [Source].Watch.
func (s *store) Watch(ctx context.Context, notify func([]Change)) error {
	s.watchers.attend(ctx, &s.mu, notify)
	return nil
}
