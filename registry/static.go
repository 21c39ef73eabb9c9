package registry

import (
	"context"
	"maps"
	"slices"
)

// Static is a [Source] in memory: for tests, and for programs that get their
// records from elsewhere.
type Static struct {
	clusters map[string]Cluster
	store    *store
}

// NewStatic returns a Static with the records, which are copied. They are
// completed and checked like those of a file, except that the status has no
// default and secrets are taken as they are. The error is [Problems].
func NewStatic(clusters map[string]Cluster, tenants ...*Tenant) (*Static, error) {
	s := &Static{clusters: maps.Clone(clusters), store: newStore(nil)}
	if err := s.Replace(tenants...); err != nil {
		return nil, err
	}
	return s, nil
}

// Replace makes the given records, which are copied, the only ones. It returns
// when everybody who watches was told of the differences. Versions and
// SharedLogin of the given records do not matter. After an error, which is
// [Problems], nothing has changed.
func (s *Static) Replace(tenants ...*Tenant) error {
	var given validation // of the values, which is told first
	first := map[ID]bool{}
	var subjects []*subject
	for i, t := range tenants {
		sub := &subject{Tenant: t.clone(), field: join("tenants", t.ID.String())}
		if t.ID.IsZero() {
			given.problems.add(position{}, "tenants", "has a record without an id at %d; ParseID makes one", i)
			continue
		}
		if first[t.ID] {
			given.problems.add(position{}, sub.field, "is given twice")
			continue
		}
		first[t.ID] = true
		subjects = append(subjects, sub)
		given.values(sub)
	}
	check := newValidation("", s.clusters)
	check.all(subjects)
	if err := slices.Concat(given.problems, check.problems).sorted(); err != nil {
		return err
	}
	s.store.replace(records(subjects))
	return nil
}

// Tenant is [Source].Tenant.
func (s *Static) Tenant(ctx context.Context, id ID) (*Tenant, error) { return s.store.Tenant(ctx, id) }

// List is [Source].List.
func (s *Static) List(ctx context.Context, after ID, limit int) ([]*Tenant, error) {
	return s.store.List(ctx, after, limit)
}

// Count is [Counter].Count.
func (s *Static) Count() map[Status]int { return s.store.Count() }

// Watch is [Source].Watch. notify is called while the Static is locked against
// other changes: it must not call Replace.
func (s *Static) Watch(ctx context.Context, notify func([]Change)) error {
	return s.store.Watch(ctx, notify)
}
