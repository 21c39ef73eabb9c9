package pools

import (
	"context"
	"fmt"
	"slices"

	"github.com/poolkeeper/poolkeeper/pools/budget"
	"github.com/poolkeeper/poolkeeper/registry"
)

// terms are what the budget grants the tenant by; what its limits leave open
// is filled in from the defaults.
func (e *entry) terms(limits registry.Limits) budget.Terms {
	cfg := &e.keeper.cfg
	terms := budget.Terms{
		Name: e.tenant.ID.String(), Max: orDefault(limits.MaxConns, cfg.MaxConns),
		Queue:  orDefault(limits.Queue, cfg.Queue),
		Weight: orDefault(limits.Weight, 1),
	}
	terms.Guaranteed = min(terms.Max, orDefault(limits.GuaranteedConns, cfg.GuaranteedConns))
	return terms
}

// limitsOf are the limits in force for a record: its own, less what an
// operator changed since it was written.
func (k *Keeper) limitsOf(t *registry.Tenant) registry.Limits {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.overrides[t.ID].over(t.Limits)
}

// override is what an operator changed while the keeper runs.
type override registry.Limits

func (o override) over(l registry.Limits) registry.Limits {
	l.MaxConns = orDefault(o.MaxConns, l.MaxConns)
	l.Queue = orDefault(o.Queue, l.Queue)
	l.Weight = orDefault(o.Weight, l.Weight)
	l.GuaranteedConns = orDefault(o.GuaranteedConns, l.GuaranteedConns)
	return l
}

// SetLimits changes a tenant's MaxConns, Queue, Weight and GuaranteedConns
// while the keeper runs, until its record changes or the program ends; what
// is zero is as the record says. The pool stays: connections beyond a smaller
// maximum are closed when they are idle. The pool of the tenant's reader has
// limits of its own, under its own id.
func (k *Keeper) SetLimits(id registry.ID, l registry.Limits) error {
	for _, n := range []struct {
		field      string
		value, top int
	}{
		{"max_conns", l.MaxConns, maxConns},
		{"queue", l.Queue, 1_000_000},
		{"weight", l.Weight, 1000},
		{"guaranteed_conns", l.GuaranteedConns, maxConns},
	} {
		if n.value < 0 || n.value > n.top {
			return fmt.Errorf("%w: tenant %s: %s: %d is not between 0 and %d", ErrRecord, id, n.field, n.value, n.top)
		}
	}
	k.mu.Lock()
	k.overrides[id] = override(l)
	e := k.index.find(id)
	k.mu.Unlock()
	if e != nil {
		e.adjust()
	}
	return nil
}

// Limits returns what SetLimits put in force for a tenant; zero fields are as
// its record says.
func (k *Keeper) Limits(id registry.ID) registry.Limits {
	k.mu.Lock()
	defer k.mu.Unlock()
	return registry.Limits(k.overrides[id])
}

// adjust brings the account of a live pool in line with the limits.
func (e *entry) adjust() {
	limits := e.keeper.limitsOf(e.record.Load())
	terms := e.terms(limits)
	terms.Gives, terms.Takes = e.kinds()
	e.account.Adjust(terms)
}

// concerned reports whether a change of the tenant's record matters now: it
// has a pool, or one is being created, which then starts over. An operator's
// own limits are void in any case.
func (k *Keeper) concerned(id registry.ID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.overrides, id)
	if f := k.flights[id]; f != nil {
		f.stale = true
	}
	return k.index.find(id) != nil
}

// applyLimits reads a record of which the limits alone are said to have
// changed. In doubt the pool is replaced.
func (k *Keeper) applyLimits(id registry.ID) {
	ctx, cancel := context.WithTimeout(k.lifetime, k.cfg.OpenTimeout)
	defer cancel()
	t, err := k.lookUp(ctx, id)
	if err != nil || !k.relimit(t) {
		k.invalidate(id, ReasonReplaced)
	}
}

// relimit gives a live pool a record that differs in limits alone. It reports
// false when there is none, or when more than that differs.
func (k *Keeper) relimit(t *registry.Tenant) bool {
	e := k.index.find(t.ID)
	if e == nil || !e.differsInLimits(t) {
		return false
	}
	for { // changes that follow one another closely are looked up side by side
		now := e.record.Load()
		if t.Version < now.Version {
			return true
		}
		if e.record.CompareAndSwap(now, t) {
			break
		}
	}
	e.adjust()
	return true
}

// differsInLimits reports whether the pool would be opened for t as it is.
func (e *entry) differsInLimits(t *registry.Tenant) bool {
	own := e.tenant
	return pinned(own.Limits) == pinned(t.Limits) && own.Status == t.Status && own.Cluster == t.Cluster && own.Isolation == t.Isolation &&
		own.Schema == t.Schema && own.Database == t.Database && own.Login == t.Login &&
		own.Password == t.Password && own.NextPassword == t.NextPassword && own.DSN == t.DSN && own.SharedLogin == t.SharedLogin
}

// pinned are the limits that a pool cannot follow: its sessions were started
// with them, or its place among the others depends on them.
func pinned(l registry.Limits) registry.Limits {
	return registry.Limits{
		StatementTimeout: l.StatementTimeout, IdleInTransactionTimeout: l.IdleInTransactionTimeout, IdleAfter: l.IdleAfter,
	}
}

// TenantOf returns the tenant, or the reader, whose live pool calls its
// sessions so on the server.
func (k *Keeper) TenantOf(applicationName string) (registry.ID, bool) {
	k.mu.Lock()
	all := k.order.all()
	k.mu.Unlock()
	at := slices.IndexFunc(all, func(e *entry) bool { return e.plan.name == applicationName })
	if at < 0 {
		return registry.ID{}, false
	}
	return all[at].tenant.ID, true
}
