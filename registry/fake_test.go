package registry_test

import (
	"context"
	"strings"
	"sync"

	"github.com/poolkeeper/poolkeeper/registry"
)

// fakeSource is a source whose answers and changes a test dictates.
type fakeSource struct {
	mu      sync.Mutex
	tenants map[registry.ID]*registry.Tenant
	err     error
	asked   map[string]int
	enter   chan registry.ID // when set, told of each question
	leave   chan struct{}    // when set, waited for by each question
	notify  func([]registry.Change)
	gone    chan error // ends Watch
}

func newFake(tenants ...*registry.Tenant) *fakeSource {
	f := &fakeSource{tenants: map[registry.ID]*registry.Tenant{}, asked: map[string]int{}, gone: make(chan error, 1)}
	f.set(tenants...)
	return f
}

func (f *fakeSource) set(tenants ...*registry.Tenant) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range tenants {
		f.tenants[t.ID] = t
	}
}

func (f *fakeSource) remove(id registry.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.tenants, id)
}

func (f *fakeSource) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fakeSource) questions(id registry.ID) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[id.String()]
}

// Tenant reads the answer before it waits: it is then as old as the question.
func (f *fakeSource) Tenant(ctx context.Context, id registry.ID) (*registry.Tenant, error) {
	f.mu.Lock()
	f.asked[strings.Clone(id.String())]++
	t, err := f.tenants[id], f.err
	enter, leave := f.enter, f.leave
	f.mu.Unlock()
	if enter != nil {
		enter <- id
	}
	if leave != nil {
		select {
		case <-leave:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	switch {
	case err != nil:
		return nil, err
	case t == nil:
		return nil, registry.ErrUnknown
	}
	return t, nil
}

func (f *fakeSource) List(context.Context, registry.ID, int) ([]*registry.Tenant, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return nil, f.err
}

func (f *fakeSource) Watch(ctx context.Context, notify func([]registry.Change)) error {
	f.mu.Lock()
	f.notify = notify
	f.mu.Unlock()
	notify(nil)
	select {
	case err := <-f.gone:
		return err
	case <-ctx.Done():
		return nil
	}
}
