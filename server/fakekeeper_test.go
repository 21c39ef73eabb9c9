package server_test

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// fakeKeeper counts what a stop and the admin API do with it.
type fakeKeeper struct {
	mu      sync.Mutex
	stats   []pools.Stat
	calls   []string
	onDrain func(ctx context.Context) error
	onClose func(ctx context.Context) error

	// What the admin API may change. setErr, when set, is why not.
	clusters map[string]registry.Cluster
	limits   map[registry.ID]registry.Limits
	setErr   error
	// onSettings, when set, is called with read or set before either is done.
	onSettings func(what string)
}

func (k *fakeKeeper) settings(what string) {
	if k.onSettings != nil {
		k.onSettings(what)
	}
}

func (k *fakeKeeper) note(call string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls = append(k.calls, call)
}

func (k *fakeKeeper) called() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.calls)
}

func (k *fakeKeeper) Stats() []pools.Stat { return slices.Clone(k.stats) }

func (k *fakeKeeper) Evict(id registry.ID) bool {
	k.note("evict " + id.String())
	return slices.ContainsFunc(k.stats, func(s pools.Stat) bool { return s.Tenant == id })
}

// TenantOf knows every live pool by "pk-" and its tenant.
func (k *fakeKeeper) TenantOf(applicationName string) (registry.ID, bool) {
	for _, s := range k.stats {
		if applicationName == "pk-"+s.Tenant.String() {
			return s.Tenant, true
		}
	}
	return registry.ID{}, false
}

func (k *fakeKeeper) Limits(id registry.ID) registry.Limits {
	k.settings("read")
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.limits[id]
}

func (k *fakeKeeper) SetLimits(id registry.ID, l registry.Limits) error {
	k.settings("set")
	k.note("set limits of " + id.String())
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.setErr != nil {
		return k.setErr
	}
	if k.limits == nil {
		k.limits = map[registry.ID]registry.Limits{}
	}
	k.limits[id] = l
	return nil
}

// Budgets derives 17 where the settings leave it open.
func (k *fakeKeeper) Budgets() []pools.BudgetStat {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []pools.BudgetStat
	for _, name := range slices.Sorted(maps.Keys(k.clusters)) {
		budget := k.clusters[name].Budget
		all = append(all, pools.BudgetStat{Cluster: name, Budget: cmp.Or(budget, 17), Derived: budget == 0, InUse: 9, Idle: 4, Waiting: 2, ReopenedSoon: 3})
	}
	return all
}

func (k *fakeKeeper) Cluster(name string) (registry.Cluster, bool) {
	k.settings("read")
	k.mu.Lock()
	defer k.mu.Unlock()
	c, known := k.clusters[name]
	return c, known
}

func (k *fakeKeeper) SetCluster(name string, c registry.Cluster) error {
	k.settings("set")
	k.note("set cluster " + name)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.setErr != nil {
		return k.setErr
	}
	k.clusters[name] = c
	return nil
}

func (k *fakeKeeper) Drain(ctx context.Context) error {
	k.note("drain")
	if k.onDrain != nil {
		return k.onDrain(ctx)
	}
	return nil
}

func (k *fakeKeeper) Close(ctx context.Context) error {
	k.note("close")
	if k.onClose != nil {
		return k.onClose(ctx)
	}
	return nil
}
