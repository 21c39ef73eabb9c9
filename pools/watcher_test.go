package pools_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// watcher is an Observer that counts.
type watcher struct {
	mu      sync.Mutex
	counts  map[string]int
	refused []error
}

func (w *watcher) add(keys ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts == nil {
		w.counts = map[string]int{}
	}
	for _, key := range keys {
		w.counts[key]++
	}
}

func (w *watcher) count(key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[key]
}

func (w *watcher) Leased(_ registry.ID, _, outcome string, err error) {
	w.add("lease " + outcome)
	if err != nil {
		w.mu.Lock()
		w.refused = append(w.refused, err)
		w.mu.Unlock()
	}
}

func (w *watcher) PoolChanged(_ registry.ID, _ string, reason pools.Reason) {
	if reason == "" {
		reason = "published"
	}
	w.add("pool " + string(reason))
}

func (w *watcher) ConnChanged(id registry.ID, _, event, detail string) {
	w.add(event, event+" "+detail, id.String()+" "+event+" "+detail)
}

func (w *watcher) Acquired(_ registry.ID, _, start string, _ time.Duration, err error) {
	if err != nil {
		start = "failed"
	}
	w.add("acquire " + start)
}

// mustBalance sees that each tenant's connections were closed that were
// opened, and no others.
func (w *watcher) mustBalance(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	open := map[string]int{}
	for key, n := range w.counts {
		switch words := strings.Fields(key); {
		case len(words) == 3 && words[1] == pools.EventOpened:
			open[words[0]] += n
		case len(words) == 3 && words[1] == pools.EventClosed:
			open[words[0]] -= n
		}
	}
	for tenant, n := range open {
		if n != 0 {
			t.Errorf("%s: %d more connections were opened than closed", tenant, n)
		}
	}
}
