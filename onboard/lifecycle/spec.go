package lifecycle

import (
	"cmp"
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"strings"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// Spec is a tenant that somebody wants. What is zero comes from the plan, or
// follows from the id: a schema and a login of its own, a generated password,
// the cluster with the most room.
type Spec struct {
	// Tenant has its own limits in Limits. Its status does not matter.
	Tenant registry.Tenant
	// DDL, when it is not nil, goes before the plan's.
	DDL *bool
}

// record completes a spec.
func (o *Operator) record(ctx context.Context, s Spec) (*control.Record, error) {
	r := &control.Record{Tenant: s.Tenant, Own: s.Tenant.Limits, State: registry.StatusPending}
	r.Status = registry.StatusPending
	plan, err := o.plan(r.Plan)
	if err != nil {
		return nil, err
	}
	r.Isolation = cmp.Or(r.Isolation, plan.Isolation, registry.IsolationSchema)
	r.Cluster = cmp.Or(r.Cluster, plan.Cluster)
	r.DDL = plan.DDL
	if s.DDL != nil {
		r.DDL = *s.DDL
	}
	underlay(&r.Tenant, plan)
	if r.Cluster == "" {
		if r.Cluster, err = o.place(ctx, nil); err != nil {
			return nil, err
		}
	}
	if _, ok := o.deps.Clusters[r.Cluster]; !ok {
		return nil, refuse(ErrInput, "cluster: %q is none of %s", r.Cluster, o.clusterNames())
	}
	own(&r.Tenant)
	return r, registry.CheckTenant(o.deps.Clusters, &r.Tenant)
}

// plan returns the plan of a name; "" is the one without defaults.
func (o *Operator) plan(name string) (registry.Plan, error) {
	plans := *o.plans.Load()
	plan, ok := plans[name]
	if name != "" && !ok {
		known := strings.Join(slices.Sorted(maps.Keys(plans)), ", ")
		return plan, refuse(ErrInput, "plan: %q is no plan; there are %s", name, cmp.Or(known, "none"))
	}
	return plan, nil
}

func (o *Operator) clusterNames() string {
	return strings.Join(slices.Sorted(maps.Keys(o.deps.Clusters)), ", ")
}

// underlay gives a tenant of row isolation what its plan says of the tables
// that it shares.
func underlay(t *registry.Tenant, plan registry.Plan) {
	if t.Isolation != registry.IsolationRow || !t.DSN.IsZero() {
		return
	}
	t.Schema = cmp.Or(t.Schema, plan.Schema)
	t.Database = cmp.Or(t.Database, plan.Database)
	if t.Login == "" {
		t.Login, t.Password = plan.Login, plan.Password
	}
}

// own gives the tenant a place and a login of its own, with a password, where
// nothing else is said.
func own(t *registry.Tenant) {
	if !t.DSN.IsZero() || t.Isolation == registry.IsolationRow {
		return
	}
	switch t.Isolation {
	case registry.IsolationSchema:
		t.Schema = cmp.Or(t.Schema, registry.DerivedName(t.ID, ""))
	case registry.IsolationDatabase:
		t.Database = cmp.Or(t.Database, registry.DerivedName(t.ID, ""))
	case registry.IsolationRow: // returned above
	}
	t.Login = cmp.Or(t.Login, registry.DerivedName(t.ID, "_login"))
	if t.Password.IsZero() {
		t.Password = newPassword()
	}
}

func newPassword() registry.Secret { return registry.NewSecret(rand.Text()) }
