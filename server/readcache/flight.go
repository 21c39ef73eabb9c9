package readcache

import (
	"context"
	"sync"
)

// flights are the reads that are under way.
type flights struct {
	// mu guards what follows. Nothing slow happens under it.
	mu    sync.Mutex
	under map[Key]*flight
}

// flight is one read, by whoever came first. The others wait until it has
// landed; the fields are written before.
type flight struct {
	landed chan struct{}
	entry  entry
	err    error
	again  bool // it says nothing to the others: another one has to read
}

// join returns the flight that is under way, or a new one, which the caller has
// to land.
func (f *flights) join(k Key) (fl *flight, mine bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl := f.under[k]; fl != nil {
		return fl, false
	}
	if f.under == nil {
		f.under = map[Key]*flight{}
	}
	fl = &flight{landed: make(chan struct{}), again: true}
	f.under[k] = fl
	return fl, true
}

// land wakes the others.
func (f *flights) land(k Key, fl *flight) {
	f.mu.Lock()
	delete(f.under, k)
	f.mu.Unlock()
	close(fl.landed)
}

// wait returns when the flight has landed, or the caller's own context ends.
func (fl *flight) wait(ctx context.Context) error {
	select {
	case <-fl.landed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
