package server

import (
	"maps"
	"slices"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// viewOf is a record as the admin API shows it: without its password and
// connection string, of which it only says that they are there.
func viewOf(t *registry.Tenant) adminwire.Tenant {
	return adminwire.Tenant{
		ID: t.ID.String(), Name: t.Name, Status: string(t.Status), Plan: t.Plan, Cluster: t.Cluster, Isolation: string(t.Isolation),
		Schema: t.Schema, Database: t.Database, Login: t.Login, OwnDSN: !t.DSN.IsZero(), SharedLogin: t.SharedLogin,
		ReadLogin: t.ReadLogin, DDL: t.DDL, Labels: t.Labels, Version: t.Version, Limits: limitsOf(t.Limits),
	}
}

// recordOf is a record with what only the control database knows of it.
func recordOf(r *control.Record) adminwire.Tenant {
	v := viewOf(&r.Tenant)
	own := limitsOf(r.Own)
	v.OwnLimits = &own
	v.State, v.Declared, v.Reason, v.Deleting = string(r.State), string(r.Declared), r.Reason, r.Deleting
	v.MigrationError = r.MigrationError
	if r.Migrated >= 0 {
		v.Migrated = &r.Migrated
	}
	v.CreatedAt, v.UpdatedAt = momentOf(r.CreatedAt), momentOf(r.UpdatedAt)
	return v
}

func momentOf(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}

func limitsOf(l registry.Limits) adminwire.Limits {
	return adminwire.Limits{
		MaxConns: l.MaxConns, Queue: l.Queue, GuaranteedConns: l.GuaranteedConns, Weight: l.Weight,
		StatementTimeout:         durationText(l.StatementTimeout),
		IdleInTransactionTimeout: durationText(l.IdleInTransactionTimeout),
		IdleAfter:                durationText(l.IdleAfter),
		QueueTimeout:             durationText(l.QueueTimeout),
		Rate:                     l.Rate, Burst: l.Burst, InFlight: l.InFlight,
		MaxBody: l.MaxBody, MaxResult: l.MaxResult, CacheFor: durationText(l.CacheFor),
	}
}

func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func operationOf(op control.Operation) adminwire.Operation {
	v := adminwire.Operation{
		ID: op.ID, Kind: op.Kind, Tenant: op.Tenant.String(), Actor: op.Actor, State: op.State, Step: op.Step,
		Done: op.Done, Total: op.Total, Failed: len(op.Failures) + op.More, Result: op.Result, Error: op.Error, Code: op.Code,
		Replica: op.Replica,
		Started: op.Started.UTC(), Updated: op.Updated.UTC(), Ended: momentOf(op.Ended),
	}
	for _, f := range op.Failures {
		v.Failures = append(v.Failures, adminwire.Failure{Tenant: f.Tenant.String(), Error: f.Error})
	}
	return v
}

func eventOf(e control.Event) adminwire.Event {
	return adminwire.Event{ID: e.ID, At: e.At.UTC(), Actor: e.Actor, Action: e.Action, Tenant: e.Tenant.String(), Detail: e.Detail, Error: e.Error}
}

func plansOf(plans map[string]registry.Plan) adminwire.PlanList {
	list := adminwire.PlanList{Plans: []adminwire.Plan{}} // [] and not null
	for _, name := range slices.Sorted(maps.Keys(plans)) {
		p := plans[name]
		list.Plans = append(list.Plans, adminwire.Plan{
			Name: name, Cluster: p.Cluster, Isolation: string(p.Isolation), DDL: p.DDL, Limits: limitsOf(p.Limits),
		})
	}
	return list
}

func applyPlanOf(p *lifecycle.ApplyPlan) adminwire.ApplyPlan {
	v := adminwire.ApplyPlan{Changes: make([]adminwire.ApplyChange, 0, len(p.Changes)), Same: p.Same}
	for _, c := range p.Changes {
		change := adminwire.ApplyChange{Action: c.Action, Tenant: c.Tenant.String(), Error: c.Error}
		for _, f := range c.Fields {
			change.Fields = append(change.Fields, adminwire.FieldChange(f))
		}
		v.Changes = append(v.Changes, change)
	}
	return v
}

func migrationPlanOf(plan []lifecycle.PlannedMigration) adminwire.MigrationPlan {
	v := adminwire.MigrationPlan{Tenants: make([]adminwire.PlannedMigration, 0, len(plan))}
	for _, p := range plan {
		v.Tenants = append(v.Tenants, adminwire.PlannedMigration{Tenant: p.Tenant.String(), From: p.From, Files: append([]string{}, p.Files...)})
	}
	return v
}

func migrationStatusOf(s *lifecycle.MigrationStatus) adminwire.MigrationStatus {
	v := adminwire.MigrationStatus{Sets: []adminwire.MigrationSet{}, Behind: s.Behind, Failed: s.Failed}
	for _, set := range s.Sets {
		one := adminwire.MigrationSet{Set: set.Set, Latest: set.Latest, Versions: []adminwire.VersionCount{}}
		for _, n := range set.Versions {
			one.Versions = append(one.Versions, adminwire.VersionCount{Version: n.Version, Tenants: n.Tenants, Failed: n.Failed})
		}
		v.Sets = append(v.Sets, one)
	}
	for _, d := range s.Drift {
		one := adminwire.Drift{Tenant: d.Tenant.String(), Mirror: d.Mirror, Actual: d.Actual}
		if d.Err != nil {
			one.Error = d.Err.Error()
		}
		v.Drift = append(v.Drift, one)
	}
	return v
}
