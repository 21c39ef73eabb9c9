package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// How long whoever places a tenant waits for a server, and for how long its
// answer, or its silence, is believed.
const (
	askingFor     = 3 * time.Second
	believedFor   = 5 * time.Second
	passedOverFor = 30 * time.Second
)

// placement knows how many connections each cluster offers, which does not
// change while the server runs, and which of them answered last time.
type placement struct {
	of func(ctx context.Context, cluster string) (int, error)

	// mu guards known, and is not held while a server is asked.
	mu    sync.Mutex
	known map[string]offer
}

// offer is what a server said, the last time that it was asked.
type offer struct {
	conns int // also when it did not answer again
	err   error
	at    time.Time
}

// place chooses the cluster with the most room: the fewest tenants, and of what
// else is counted there, for each connection that it may have. A server that
// does not answer gets no tenant.
func (o *Operator) place(ctx context.Context, besides map[string]int) (string, error) {
	names := slices.Sorted(maps.Keys(o.deps.Clusters))
	names = slices.DeleteFunc(names, func(name string) bool { return o.deps.Clusters[name].Admin.IsZero() })
	if len(names) == 1 {
		return names[0], nil
	}
	tenants, err := o.db.CountByCluster(ctx)
	if err != nil {
		return "", err
	}
	load := map[string]float64{}
	names = slices.DeleteFunc(names, func(name string) bool {
		room, err := o.room(ctx, name)
		if err != nil || room < 1 {
			o.passOver(ctx, name, err)
			return true
		}
		load[name] = float64(tenants[name]+besides[name]+1) / float64(room)
		return false
	})
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(load[a], load[b]) })
	for _, name := range names {
		if _, err := o.slots.ask(ctx, name); err != nil {
			o.passOver(ctx, name, err)
			continue
		}
		return name, nil
	}
	return "", refuse(ErrInput, "cluster: none of %s can take a tenant now; a cluster needs admin, and to be reachable", o.clusterNames())
}

func (o *Operator) passOver(ctx context.Context, cluster string, why error) {
	o.log.WarnContext(ctx, "a cluster is passed over when tenants are placed", "cluster", cluster, "error", why)
}

// room is the cluster's budget, or what its server offers.
func (o *Operator) room(ctx context.Context, cluster string) (int, error) {
	if budget := o.deps.Clusters[cluster].Budget; budget > 0 {
		return budget, nil
	}
	if last := o.slots.last(cluster); last.conns > 0 {
		return last.conns, nil
	}
	return o.slots.ask(ctx, cluster)
}

func (p *placement) last(cluster string) offer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[cluster]
}

// ask asks the server, unless that was done a moment ago.
func (p *placement) ask(ctx context.Context, cluster string) (conns int, err error) {
	last := p.last(cluster)
	if age := time.Since(last.at); age < believedFor || last.err != nil && age < passedOverFor {
		return last.conns, last.err
	}
	asking, cancel := context.WithTimeoutCause(ctx, askingFor, errors.New("its server did not answer in time"))
	defer cancel()
	conns, err = p.of(asking, cluster)
	if ctx.Err() != nil {
		return conns, ctx.Err() // says nothing of the server
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[string]offer{}
	}
	p.known[cluster] = offer{conns: max(conns, last.conns), err: err, at: time.Now()}
	return conns, err
}
