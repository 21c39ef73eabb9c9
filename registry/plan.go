package registry

import (
	"maps"
	"slices"
)

// Plan is a named block of defaults for tenants.
type Plan struct {
	Cluster   string
	Isolation Isolation
	// Schema, Database, Login and Password are those that tenants of row
	// isolation share; a plan of another isolation has none.
	Schema, Database, Login string
	Password                Secret
	DDL                     bool
	Limits                  Limits
}

// ParsePlans reads the plans of the first document as [ParseDocuments] does;
// other documents have none. The result is never nil unless there is an error,
// which is [Problems]: of the plans alone.
func ParsePlans(docs []Document, clusters map[string]Cluster) (map[string]Plan, error) {
	p := newParser()
	p.plansOnly = true
	p.documents(docs[:min(len(docs), 1)])
	v := newValidation(p.main(docs), clusters)
	p.problems = append(p.problems, v.problems...)
	plans := p.finished(v)
	if err := p.problems.sorted(); err != nil {
		return nil, err
	}
	return plans, nil
}

// Declared is a record as a file gives it. The Tenant is complete: what it
// leaves to its plan is filled in, Own laid over the plan's limits.
type Declared struct {
	*Tenant
	// Own are the limits that the tenant itself gave.
	Own Limits
}

// ParseDeclared is [ParseDocuments] for whoever stores records and plans apart.
// The records come in the order of their ids. Unlike there, a limit that a
// tenant gives as zero is the plan's, as it will be once only the tenant's own
// limits are stored.
func ParseDeclared(docs []Document, clusters map[string]Cluster) ([]Declared, map[string]Plan, error) {
	p := newParser()
	p.documents(docs)
	for _, s := range p.subjects {
		s.Limits = s.own.limits().Over(p.planLimits(s.Plan))
	}
	v := p.validate(docs, clusters)
	plans := p.finished(v)
	if err := p.problems.sorted(); err != nil {
		return nil, nil, err
	}
	declared := make([]Declared, len(p.subjects))
	for i, s := range p.subjects {
		declared[i] = Declared{Tenant: s.Tenant, Own: s.own.limits()}
	}
	slices.SortFunc(declared, func(a, b Declared) int { return byID(a.Tenant, b.Tenant) })
	return declared, plans, nil
}

// planLimits are the limits of a plan, none for one that is not there.
func (p *parser) planLimits(name string) Limits {
	if plan := p.plans[name]; plan != nil {
		return plan.limits()
	}
	return Limits{}
}

// finished returns the plans, and checks what is only checked of tenants
// otherwise: a plan may have none yet. What was told of a tenant is not told
// again of its plan.
func (p *parser) finished(v *validation) map[string]Plan {
	plans := make(map[string]Plan, len(p.plans))
	told := map[position]bool{}
	for _, problem := range p.problems {
		told[position{problem.File, problem.Line}] = true
	}
	for _, name := range slices.Sorted(maps.Keys(p.plans)) {
		s, field := p.plans[name], join("plans", name)
		if cluster := s.cluster.value; cluster != "" && !slices.Contains(v.names, cluster) && !told[s.cluster.at] {
			p.problems.add(s.cluster.at, field+".cluster", "is %s, which is no cluster; %s", quote(cluster), nearestOf("clusters", cluster, v.names))
		}
		plan := s.defaults()
		if !told[s.password.at] {
			plan.Password = p.resolve(s.password, field+".password")
		}
		plans[name] = plan
	}
	return plans
}
