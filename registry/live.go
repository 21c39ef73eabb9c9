package registry

import (
	"context"
	"sync"

	"github.com/poolkeeper/poolkeeper/internal/sharded"
)

// Live is a [Source] in memory whose records are changed a few at a time, by
// somebody who numbers the changes. A change costs what it changes, whatever
// the number of records.
//
// Records keep the Version they are given, with these exceptions. One that says
// the same as before keeps the version under which it was known. One that
// changes because another came or went (its SharedLogin flips, or its place
// became free) gets the highest of the call, or of all calls before, and in any
// case more than it had: nobody tells the number of a removal, and it is above
// all others too.
//
// A record lives where it lives: who comes later to the same place is refused
// until it is free, whatever the versions say. Of those who come in one call
// the lower version is first.
type Live struct {
	view view // what readers see

	// mu guards what follows. It is held while watchers are told, so that
	// they hear of changes in their order and of none after they left.
	mu       sync.Mutex
	check    *validation      // the rules, and who lives where
	tenants  tenantsByLogin   // without the logins of the clusters themselves
	waiting  map[ID]*location // refused because their place is taken
	highest  uint64           // of all versions, those given and those made
	watchers audience
}

// Refused is a record that cannot be served.
type Refused struct {
	ID  ID
	Err error // Problems
}

// NewLive returns a Live without records. What is wrong with a cluster is told
// of every record that names it.
func NewLive(clusters map[string]Cluster) *Live {
	return &Live{
		view:  view{places: sharded.New[ID, location](ID.String), count: noneByStatus()},
		check: newValidation("", clusters), tenants: tenantsByLogin{},
		waiting: map[ID]*location{}, watchers: audience{},
	}
}

// Load makes the given records the only ones, and returns when everybody who
// watches was told of the differences. They are completed and checked one by
// one like those of [NewStatic]; those that are wrong or whose place is taken
// are left out, which makes them unknown, and returned. The latter come in by
// themselves once their place is free. Records are copied, except for Labels,
// which nobody must write to any more.
func (l *Live) Load(tenants []*Tenant) []Refused {
	l.mu.Lock()
	defer l.mu.Unlock()
	given := make(map[ID]bool, len(tenants))
	for _, t := range tenants {
		given[t.ID] = true
	}
	var gone []ID
	for id := range l.view.places.All() {
		if !given[id] {
			gone = append(gone, id)
		}
	}
	for id := range l.waiting {
		if !given[id] {
			gone = append(gone, id)
		}
	}
	return l.applyLocked(tenants, gone)
}

// Apply stores changed records and takes away removed ones; an id that is in
// both is stored. What is said of [Live.Load] is true here too, but only those
// of changed are returned as refused.
func (l *Live) Apply(changed []*Tenant, removed []ID) []Refused {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.applyLocked(changed, removed)
}

func (l *Live) applyLocked(changed []*Tenant, removed []ID) []Refused {
	r := &round{
		Live: l, was: map[ID]*location{}, now: make(map[ID]*location, len(changed)),
		wanting: make(map[ID]*location, len(changed)), partners: map[ID]bool{},
	}
	for _, t := range changed {
		l.highest = max(l.highest, t.Version)
	}
	for _, id := range removed {
		r.withdraw(id)
	}
	r.judge(changed)
	r.settle()
	r.share()
	if changes := r.publish(); len(changes) > 0 {
		l.watchers.tell(changes)
	}
	return r.refused
}

// Distrust has every watcher called without changes: some may have been missed.
func (l *Live) Distrust() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers.tell(nil)
}

// Tenant is [Source].Tenant. It takes no lock.
func (l *Live) Tenant(_ context.Context, id ID) (*Tenant, error) { return l.view.tenant(id) }

// List is [Source].List.
func (l *Live) List(_ context.Context, after ID, limit int) ([]*Tenant, error) {
	return l.view.list(after, limit), nil
}

// Count is [Counter].Count.
func (l *Live) Count() map[Status]int { return l.view.counts() }

// Watch is [Source].Watch. notify is called while the Live is locked against
// other changes: it must not make any.
func (l *Live) Watch(ctx context.Context, notify func([]Change)) error {
	l.watchers.attend(ctx, &l.mu, notify)
	return nil
}
