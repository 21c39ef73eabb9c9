package registry

import (
	"context"
	"slices"
	"sync"
)

// audience are those who watch a source in memory. The source's own mutex
// guards it, and is held while they are told, so that they hear of changes in
// their order and of none after they left.
type audience map[*watcher]struct{}

type watcher struct{ notify func([]Change) }

// tell needs the mutex. No changes at all mean that some may have been missed.
func (a audience) tell(changes []Change) {
	for w := range a {
		w.notify(slices.Clone(changes))
	}
}

// attend has notify called, at once and after every change, until ctx ends. mu
// is the mutex that guards the audience.
func (a audience) attend(ctx context.Context, mu *sync.Mutex, notify func([]Change)) {
	w := &watcher{notify}
	mu.Lock()
	a[w] = struct{}{}
	notify(nil)
	mu.Unlock()

	<-ctx.Done()

	mu.Lock()
	delete(a, w)
	mu.Unlock()
}
