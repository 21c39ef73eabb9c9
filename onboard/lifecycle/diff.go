package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// What a change does.
const (
	actionAdd     = "add"
	actionChange  = "change"
	actionSuspend = "suspend" // gone from the file, or declared as suspended
	actionResume  = "resume"
)

// FieldChange is one value that is not as declared. Secrets read "(changed)".
type FieldChange struct {
	Field string `json:"field"`
	Old   string `json:"old"`
	New   string `json:"new"`
}

// ApplyChange is a tenant that is not as declared.
type ApplyChange struct {
	Action string        `json:"action"`
	Tenant registry.ID   `json:"tenant"`
	Fields []FieldChange `json:"fields,omitempty"`
	Error  string        `json:"error,omitempty"` // why it cannot be, or was not, done
}

// ApplyPlan is what an Apply does, or has done.
type ApplyPlan struct {
	Changes []ApplyChange `json:"changes"` // in the order of the ids
	Same    int           `json:"same"`    // how many tenants are as declared
}

// diff is what is between the records and a file.
type diff struct {
	changes []change
	same    int
}

type change struct {
	ApplyChange
	want     *control.Record // nil for one that has gone
	record   *control.Record // nil for a new one
	gone     bool
	given    bool // the file gives a password
	password bool // and it is another one
	refused  error
}

func (d *diff) plan() *ApplyPlan {
	plan := &ApplyPlan{Changes: make([]ApplyChange, len(d.changes)), Same: d.same}
	for i, c := range d.changes {
		plan.Changes[i] = c.ApplyChange
	}
	return plan
}

func planOf(op control.Operation) (*ApplyPlan, error) {
	plan := &ApplyPlan{}
	if len(op.Result) == 0 {
		return plan, nil
	}
	err := json.Unmarshal(op.Result, plan)
	return plan, err
}

// PlanApply compares the documents with the records. New tenants are made;
// those that differ are changed, where that is possible when the data is there
// already; those that were declared and are not any more are suspended, and
// nothing of theirs is dropped. Tenants that were never declared are not
// touched. Errors: registry.Problems, when anything in the documents is wrong.
func (o *Operator) PlanApply(ctx context.Context, docs []registry.Document) (*ApplyPlan, error) {
	d, err := o.compareDeclared(ctx, docs)
	if err != nil {
		return nil, err
	}
	return d.plan(), nil
}

func (o *Operator) compareDeclared(ctx context.Context, docs []registry.Document) (*diff, error) {
	declared, _, err := registry.ParseDeclared(docs, o.deps.Clusters)
	if err != nil {
		return nil, err
	}
	records, err := o.everyRecord(ctx)
	if err != nil {
		return nil, err
	}
	d := &diff{}
	for _, tenant := range declared {
		want := wanted(tenant)
		if c, same := compare(records[want.ID], want, !tenant.Password.IsZero()); same {
			d.same++
		} else {
			d.changes = append(d.changes, c)
		}
		delete(records, want.ID)
	}
	for id, r := range records {
		if r.Declared != "" && !r.Deleting {
			d.changes = append(d.changes, change{
				ApplyChange: ApplyChange{Action: actionSuspend, Tenant: id, Fields: []FieldChange{{"declared", string(r.Declared), ""}}},
				record:      r, gone: true,
			})
		}
	}
	slices.SortFunc(d.changes, func(a, b change) int { return compareIDs(a.Tenant, b.Tenant) })
	return d, nil
}

func (o *Operator) everyRecord(ctx context.Context) (map[registry.ID]*control.Record, error) {
	all := map[registry.ID]*control.Record{}
	f := control.Filter{Limit: 1000}
	for {
		page, err := o.db.Records(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			all[r.ID] = r
		}
		if len(page) < f.Limit {
			return all, nil
		}
		f.After = page[len(page)-1].ID
	}
}

// wanted is the record that a declared tenant should have. A status that the
// file does not give is active.
func wanted(d registry.Declared) *control.Record {
	r := &control.Record{Tenant: *d.Tenant, Own: d.Own, Declared: d.Status}
	own(&r.Tenant)
	return r
}

// compare finds what is not as declared.
func compare(is, want *control.Record, password bool) (change, bool) {
	c := change{ApplyChange: ApplyChange{Action: actionAdd, Tenant: want.ID}, want: want, record: is, given: password}
	if is == nil {
		return c, false
	}
	c.Action = actionChange
	switch {
	case is.Deleting:
		c.refused = refuse(ErrState, "%s is being deleted; take it out of the file until it is gone", want.ID)
	case is.Declared != want.Declared && want.Declared != registry.StatusActive:
		c.Action = actionSuspend
	case is.Declared != want.Declared && !is.Active():
		c.Action = actionResume
	}
	c.fields(fixedFields(is), fixedFields(want), true)
	c.fields(freeFields(is), freeFields(want), false)
	c.secrets(is, want, password)
	if is.State == registry.StatusPending && c.refused == nil {
		c.Fields = append(c.Fields, FieldChange{"state", string(registry.StatusPending), string(want.Declared)})
	}
	if c.refused != nil {
		c.Error = c.refused.Error()
	}
	return c, len(c.Fields) == 0 && c.refused == nil
}

// fields adds what differs. What is fixed cannot change once there is data.
func (c *change) fields(is, want map[string]string, fixed bool) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if is[name] == want[name] {
			continue
		}
		c.Fields = append(c.Fields, FieldChange{name, is[name], want[name]})
		if fixed && c.refused == nil {
			c.refused = refuse(ErrInput, "%s: is %q and cannot become %q, %s", name, is[name], want[name], c.instead())
		}
	}
}

// instead says what can be done with a tenant whose place cannot change.
func (c *change) instead() string {
	if c.record.State == registry.StatusPending {
		return "because some of it may be there already; take it out of the file, apply that, delete it and declare it anew"
	}
	return "because the tenant's data is there; clone the tenant instead"
}

// secrets adds a password that the file gives and is another. One that was
// generated stays.
func (c *change) secrets(is, want *control.Record, password bool) {
	if password && is.Password != want.Password && is.NextPassword != want.Password {
		c.password = true
		c.Fields = append(c.Fields, FieldChange{"password", "", "(changed)"})
	}
	if is.DSN != want.DSN {
		c.Fields = append(c.Fields, FieldChange{"dsn", "", "(changed)"})
	}
}

func fixedFields(r *control.Record) map[string]string {
	return map[string]string{
		"cluster": r.Cluster, "isolation": string(r.Isolation), "schema": r.Schema, "database": r.Database,
		"login": r.Login, "ddl": strconv.FormatBool(r.DDL),
	}
}

func freeFields(r *control.Record) map[string]string {
	fields := map[string]string{
		"name": r.Name, "plan": r.Plan, "status": string(r.Declared), "labels": labelsText(r.Labels),
		"limits.max_conns": count(r.Own.MaxConns), "limits.queue": count(r.Own.Queue),
		"limits.guaranteed_conns": count(r.Own.GuaranteedConns), "limits.weight": count(r.Own.Weight),
		"limits.burst": count(r.Own.Burst), "limits.in_flight": count(r.Own.InFlight), "limits.rate": rate(r.Own.Rate),
		"limits.max_body": count(r.Own.MaxBody), "limits.max_result": count(r.Own.MaxResult),
	}
	for name, d := range map[string]fmt.Stringer{
		"limits.statement_timeout": r.Own.StatementTimeout, "limits.idle_after": r.Own.IdleAfter,
		"limits.idle_in_transaction_timeout": r.Own.IdleInTransactionTimeout,
		"limits.queue_timeout":               r.Own.QueueTimeout, "limits.cache_for": r.Own.CacheFor,
	} {
		if fields[name] = d.String(); fields[name] == "0s" {
			fields[name] = ""
		}
	}
	return fields
}

func count[N int | int64](n N) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(int64(n), 10)
}

func rate(perSecond float64) string {
	if perSecond == 0 {
		return ""
	}
	return strconv.FormatFloat(perSecond, 'f', -1, 64)
}

func labelsText(labels map[string]string) string {
	if len(labels) == 0 {
		return ""
	}
	text, _ := json.Marshal(labels) // a map of texts; sorted
	return string(text)
}

// returns reports whether the change brings the tenant back into service.
func (c *change) returns() bool {
	return c.want.Declared == registry.StatusActive && !c.record.Active() && c.record.State != registry.StatusPending
}

// apply changes the record to what is declared.
func (c *change) apply(r *control.Record) {
	want := c.want
	r.Name, r.Plan, r.Labels, r.Own, r.Declared = want.Name, want.Plan, want.Labels, want.Own, want.Declared
	r.DSN = want.DSN
	if r.State == registry.StatusPending && c.password { // nobody uses the old one, which may be why it is pending
		r.Password, r.NextPassword = want.Password, registry.Secret{}
	}
	if r.State == registry.StatusSuspended && r.Reason == gone {
		r.State, r.Reason = registry.StatusActive, ""
	}
}
