package lifecycle

import (
	"cmp"
	"context"
	"maps"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// Patch changes a tenant; nil leaves a field as it is. A label whose value is
// nil is removed.
type Patch struct {
	Name   *string
	Plan   *string
	Labels map[string]*string
	Limits *LimitsPatch
}

// LimitsPatch changes a tenant's own limits: nil leaves one as it is, zero
// returns to the plan's.
type LimitsPatch struct {
	MaxConns, Queue, GuaranteedConns, Weight              *int
	StatementTimeout, IdleInTransactionTimeout, IdleAfter *time.Duration
	QueueTimeout, CacheFor                                *time.Duration
	Rate                                                  *float64
	Burst, InFlight                                       *int
	MaxBody, MaxResult                                    *int64
}

// Set changes what may be changed of a tenant at any time. With a version
// other than 0, only that version is changed. Two changes at once of different
// fields or labels both happen. Errors: control.ErrStale, ErrDeclared,
// ErrInput, registry.Problems.
func (o *Operator) Set(ctx context.Context, by Actor, id registry.ID, version uint64, p Patch) (*control.Record, error) {
	if p.Plan != nil {
		if _, err := o.plan(*p.Plan); err != nil {
			return nil, err
		}
	}
	var before registry.Limits
	r, err := o.db.Update(ctx, id, version, func(r *control.Record) error {
		if r.Declared != "" {
			return refuse(ErrDeclared, "change %s there and apply it", id)
		}
		before = r.Limits
		p.apply(r)
		return nil
	})
	if err == nil && connLimits(before) != connLimits(r.Limits) {
		o.limitConnections(ctx, r)
	}
	if err == nil {
		o.awaitReplicas(ctx, r)
	}
	o.audit(ctx, by, "tenant.set", id, p.fields(), err)
	return r, err
}

// apply changes the record.
func (p Patch) apply(r *control.Record) {
	if p.Name != nil {
		r.Name = cmp.Or(*p.Name, r.ID.String())
	}
	if p.Plan != nil {
		r.Plan = *p.Plan
	}
	r.Labels = maps.Clone(r.Labels)
	for key, value := range p.Labels {
		if value == nil {
			delete(r.Labels, key)
			continue
		}
		if r.Labels == nil {
			r.Labels = map[string]string{}
		}
		r.Labels[key] = *value
	}
	if p.Limits != nil {
		p.Limits.apply(&r.Own)
	}
}

func (p LimitsPatch) apply(l *registry.Limits) {
	set(&l.MaxConns, p.MaxConns)
	set(&l.Queue, p.Queue)
	set(&l.GuaranteedConns, p.GuaranteedConns)
	set(&l.Weight, p.Weight)
	set(&l.StatementTimeout, p.StatementTimeout)
	set(&l.IdleInTransactionTimeout, p.IdleInTransactionTimeout)
	set(&l.IdleAfter, p.IdleAfter)
	set(&l.QueueTimeout, p.QueueTimeout)
	set(&l.CacheFor, p.CacheFor)
	set(&l.Rate, p.Rate)
	set(&l.Burst, p.Burst)
	set(&l.InFlight, p.InFlight)
	set(&l.MaxBody, p.MaxBody)
	set(&l.MaxResult, p.MaxResult)
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// fields names what a patch changes, for the trail.
func (p Patch) fields() map[string]any {
	fields := map[string]any{}
	if p.Name != nil {
		fields["name"] = *p.Name
	}
	if p.Plan != nil {
		fields["plan"] = *p.Plan
	}
	if len(p.Labels) > 0 {
		fields["labels"] = p.Labels
	}
	if p.Limits != nil {
		fields["limits"] = p.Limits.fields()
	}
	return fields
}

// fields names the limits that a patch changes as files and the admin API do.
func (l *LimitsPatch) fields() map[string]any {
	fields := map[string]any{}
	put(fields, map[string]*int{
		"max_conns": l.MaxConns, "queue": l.Queue, "guaranteed_conns": l.GuaranteedConns, "weight": l.Weight,
		"burst": l.Burst, "in_flight": l.InFlight,
	})
	put(fields, map[string]*int64{"max_body": l.MaxBody, "max_result": l.MaxResult})
	put(fields, map[string]*float64{"rate": l.Rate})
	for name, d := range map[string]*time.Duration{
		"statement_timeout": l.StatementTimeout, "idle_in_transaction_timeout": l.IdleInTransactionTimeout, "idle_after": l.IdleAfter,
		"queue_timeout": l.QueueTimeout, "cache_for": l.CacheFor,
	} {
		if d != nil {
			fields[name] = d.String()
		}
	}
	return fields
}

func put[T any](fields map[string]any, values map[string]*T) {
	for name, v := range values {
		if v != nil {
			fields[name] = *v
		}
	}
}

// connLimits is what the login's settings on the server follow from.
func connLimits(l registry.Limits) registry.Limits {
	return registry.Limits{MaxConns: l.MaxConns, StatementTimeout: l.StatementTimeout}
}

// limitConnections has the server's own limit follow the record's. It is the
// second line behind the pools': failing is told, not fatal.
func (o *Operator) limitConnections(ctx context.Context, r *control.Record) {
	if r.State == registry.StatusPending || r.State == registry.StatusRetired || !r.DSN.IsZero() {
		return
	}
	if err := o.deps.Provisioner.LimitConnections(ctx, &r.Tenant); err != nil {
		o.log.WarnContext(ctx, "the login's connection limit on the server could not follow; provision the tenant again",
			"tenant", r.ID.String(), "error", err)
	}
}
