package main

import (
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/poolkeeper/poolkeeper/config"
	"github.com/poolkeeper/poolkeeper/pools"
)

// reloading takes over what changed in the configuration file, apart from the
// tenants, which the file source follows.
type reloading struct {
	file   *config.Follower
	log    *slog.Logger
	keeper atomic.Pointer[pools.Keeper] // nil while the program starts
	mu     sync.Mutex                   // one at a time takes over, so that the last change is the last
	told   func(config.Changes)         // of plans and tenants; nil when the file's source follows them
}

// begin takes over what changed while the program started; from then on
// every reload does.
func (r *reloading) begin(k *pools.Keeper, told func(config.Changes)) {
	r.told = told
	r.keeper.Store(k)
	r.takeOver()
}

// takeOver is for when the whole file was found right.
func (r *reloading) takeOver() {
	keeper := r.keeper.Load()
	if keeper == nil {
		return // begin will
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	changes := r.file.Take()
	for _, name := range slices.Sorted(maps.Keys(changes.Clusters)) {
		if err := keeper.SetCluster(name, changes.Clusters[name]); err != nil {
			r.log.Error("changed cluster refused", "cluster", name, "problem", err)
		}
	}
	if r.told != nil {
		r.told(changes)
	}
	if len(changes.Restart) > 0 {
		r.log.Warn("settings changed in the file; they take effect at the next start", "settings", strings.Join(changes.Restart, ", "))
	}
}
