package lifecycle

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// placement knows how many connections each cluster offers, which does not
// change while the server runs.
type placement struct {
	of func(ctx context.Context, cluster string) (int, error)

	// mu guards known, and is not held while a server is asked.
	mu    sync.Mutex
	known map[string]int
}

// place chooses the cluster with the most room: the fewest tenants for each
// connection that it may have. A server that cannot be asked gets no tenant.
func (o *Operator) place(ctx context.Context) (string, error) {
	names := slices.Sorted(maps.Keys(o.deps.Clusters))
	names = slices.DeleteFunc(names, func(name string) bool { return o.deps.Clusters[name].Admin.IsZero() })
	if len(names) == 1 {
		return names[0], nil
	}
	tenants, err := o.db.CountByCluster(ctx)
	if err != nil {
		return "", err
	}
	best, least := "", 0.0
	for _, name := range names {
		room, err := o.room(ctx, name)
		if err != nil || room < 1 {
			o.log.WarnContext(ctx, "a cluster is passed over when tenants are placed", "cluster", name, "error", err)
			continue
		}
		if load := float64(tenants[name]+1) / float64(room); best == "" || load < least {
			best, least = name, load
		}
	}
	if best == "" {
		return "", refuse(ErrInput, "cluster: none of %s can take a tenant now; a cluster needs admin, and to be reachable", o.clusterNames())
	}
	return best, nil
}

// room is the cluster's budget, or what its server offers.
func (o *Operator) room(ctx context.Context, cluster string) (int, error) {
	if budget := o.deps.Clusters[cluster].Budget; budget > 0 {
		return budget, nil
	}
	o.slots.mu.Lock()
	n, ok := o.slots.known[cluster]
	o.slots.mu.Unlock()
	if ok {
		return n, nil
	}
	n, err := o.slots.of(ctx, cluster)
	if err != nil {
		return 0, err
	}
	o.slots.mu.Lock()
	defer o.slots.mu.Unlock()
	if o.slots.known == nil {
		o.slots.known = map[string]int{}
	}
	o.slots.known[cluster] = n
	return n, nil
}
