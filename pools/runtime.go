package pools

import (
	"fmt"
	"slices"
	"strings"

	"github.com/poolkeeper/poolkeeper/registry"
)

// BudgetStat are the numbers of one cluster's budget at one moment.
type BudgetStat struct {
	Cluster string `json:"cluster"`
	// Budget is the most sockets at once; Derived says that the server's own
	// numbers gave it.
	Budget  int  `json:"budget"`
	Derived bool `json:"derived"`
	// InUse counts the sockets; of them Idle rest in tenants' pools, Spares
	// wait for a tenant, Opening are being opened, Closing make room for
	// another tenant.
	InUse   int `json:"in_use"`
	Idle    int `json:"idle"`
	Opening int `json:"opening"`
	Closing int `json:"closing"`
	Spares  int `json:"spares"`
	// Waiting callers want a connection that the budget does not have.
	Waiting int `json:"waiting"`
	// ReopenedSoon counts tenants that lost their last connection to another
	// and wanted one again within a second: thrash.
	ReopenedSoon uint64 `json:"reopened_soon"`
	// BreakersOpen counts databases that are not tried for now.
	BreakersOpen int `json:"breakers_open"`
}

// Budgets returns the numbers of every cluster, in the order of their names.
func (k *Keeper) Budgets() []BudgetStat {
	stats := make([]BudgetStat, 0, len(k.clusters))
	for _, c := range k.clusters {
		stats = append(stats, c.stat())
	}
	slices.SortFunc(stats, func(a, b BudgetStat) int { return strings.Compare(a.Cluster, b.Cluster) })
	return stats
}

func (c *cluster) stat() BudgetStat {
	c.mu.Lock()
	_, derived := c.sizeLocked()
	c.mu.Unlock()
	s := c.budget.Stat()
	return BudgetStat{
		Cluster: c.name, Budget: s.Size, Derived: derived, InUse: s.InUse, Idle: s.Idle,
		Opening: s.Opening, Closing: s.Closing, Spares: s.Spares, Waiting: s.Waiting,
		ReopenedSoon: s.ReopenedSoon, BreakersOpen: c.keeper.breaker.open(c.name),
	}
}

// Cluster returns the settings of a cluster that are in force.
func (k *Keeper) Cluster(name string) (registry.Cluster, bool) {
	c, ok := k.clusters[name]
	if !ok {
		return registry.Cluster{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settings, true
}

// SetCluster changes a cluster's Budget, Margin, Replicas, Dials, Queue and
// Spares while the keeper runs; the other fields are ignored. A smaller
// budget closes idle connections first, then those that come back; nothing
// that runs is cut.
func (k *Keeper) SetCluster(name string, to registry.Cluster) error {
	c, ok := k.clusters[name]
	if !ok {
		return fmt.Errorf("%w: cluster %q is not configured", ErrRecord, name)
	}
	if err := to.Validate(); err != nil {
		return fmt.Errorf("pools: clusters.%s.%w", name, err)
	}
	c.mu.Lock()
	to.DSN, to.Admin, to.SpareDSN, to.Addresses = c.settings.DSN, c.settings.Admin, c.settings.SpareDSN, c.settings.Addresses
	c.mu.Unlock()
	c.set(to)
	stat := c.stat()
	k.log.Info("cluster changed", "cluster", name, "budget", stat.Budget, "derived", stat.Derived, "spares", to.Spares)
	return nil
}
