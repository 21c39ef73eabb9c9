package server_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/server"
)

var (
	_ server.Operator = (*lifecycle.Operator)(nil)
	_ server.Operator = (*fakeOperator)(nil)
)

// fakeOperator keeps tenants in memory. Its operations end at once, unless
// release is set: then when it is closed.
type fakeOperator struct {
	mu      sync.Mutex
	records map[registry.ID]*control.Record
	version uint64
	running sync.WaitGroup
	ops     []control.Operation // the oldest first
	cancels map[string]func()
	changed chan struct{} // closed and replaced with every change of an operation
	events  []control.Event
	keys    []apikey.Key
	calls   []string
	folder  string

	release chan struct{}
	// steps are told by every operation before it ends.
	steps []string
	// err is what every method says that has one.
	err error
	// failed is how every operation ends.
	failed *control.Operation
	// applied and migrated are what the fleet's methods were asked for.
	applied  []registry.Document
	migrated lifecycle.MigrateRequest
	specs    []lifecycle.Spec
	patches  []lifecycle.Patch
	filters  []control.Filter
}

func newFakeOperator() *fakeOperator {
	o := &fakeOperator{records: map[registry.ID]*control.Record{}, cancels: map[string]func(){}, changed: make(chan struct{})}
	for _, t := range demoRecords().all {
		o.version++
		r := &control.Record{Tenant: *t, State: t.Status, Own: t.Limits, Migrated: 3, CreatedAt: time.Unix(1, 0), UpdatedAt: time.Unix(2, 0)}
		r.Version = o.version
		r.NextPassword = registry.NewSecret("next-pw-" + t.ID.String())
		o.records[t.ID] = r
	}
	return o
}

func (o *fakeOperator) note(by lifecycle.Actor, call string, id registry.ID) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = append(o.calls, strings.TrimSpace(string(by)+": "+call+" "+id.String()))
	return o.err
}

func (o *fakeOperator) called() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.calls)
}

func (o *fakeOperator) Record(_ context.Context, id registry.ID) (*control.Record, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, ok := o.records[id]
	if o.err != nil {
		return nil, o.err
	}
	if !ok {
		return nil, fmt.Errorf("%w: %q", control.ErrUnknown, id)
	}
	c := *r
	return &c, nil
}

func (o *fakeOperator) Records(_ context.Context, f control.Filter) ([]*control.Record, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.filters = append(o.filters, f)
	var page []*control.Record
	for _, id := range slices.SortedFunc(maps.Keys(o.records), func(a, b registry.ID) int { return cmp.Compare(a.String(), b.String()) }) {
		r := o.records[id]
		if id.String() > f.After.String() && (f.Status == "" || r.Status == f.Status) && (f.Behind == 0 || r.Migrated < f.Behind) && len(page) < f.Limit {
			c := *r
			page = append(page, &c)
		}
	}
	return page, o.err
}

func (o *fakeOperator) Plans() map[string]registry.Plan {
	return map[string]registry.Plan{
		"pro":   {Cluster: "main", Isolation: registry.IsolationSchema, DDL: true, Limits: registry.Limits{MaxConns: 20, StatementTimeout: time.Minute}},
		"basic": {Isolation: registry.IsolationRow, Schema: "shared", Login: "rows", Password: registry.NewSecret("pw-plan")},
	}
}

// update changes a record as the control database does.
func (o *fakeOperator) update(id registry.ID, version uint64, change func(*control.Record) error) (*control.Record, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, ok := o.records[id]
	switch {
	case o.err != nil:
		return nil, o.err
	case !ok:
		return nil, fmt.Errorf("%w: %q", control.ErrUnknown, id)
	case version != 0 && version != r.Version:
		return nil, control.ErrStale
	}
	c := *r
	c.Labels = maps.Clone(r.Labels)
	if err := change(&c); err != nil {
		return nil, err
	}
	o.version++
	c.Version = o.version
	o.records[id] = &c
	answer := c
	return &answer, nil
}

func (o *fakeOperator) Set(_ context.Context, by lifecycle.Actor, id registry.ID, version uint64, p lifecycle.Patch) (*control.Record, error) {
	_ = o.note(by, "set", id)
	o.mu.Lock()
	o.patches = append(o.patches, p)
	o.mu.Unlock()
	return o.update(id, version, func(r *control.Record) error {
		if p.Name != nil {
			r.Name = *p.Name
		}
		return nil
	})
}

func (o *fakeOperator) Suspend(_ context.Context, by lifecycle.Actor, id registry.ID, version uint64, reason string) (*control.Record, error) {
	_ = o.note(by, "suspend", id)
	return o.update(id, version, func(r *control.Record) error {
		r.State, r.Status, r.Reason = registry.StatusSuspended, registry.StatusSuspended, reason
		return nil
	})
}

func (o *fakeOperator) Resume(_ context.Context, by lifecycle.Actor, id registry.ID, version uint64) (*control.Record, error) {
	_ = o.note(by, "resume", id)
	return o.update(id, version, func(r *control.Record) error {
		r.State, r.Status, r.Reason = registry.StatusActive, registry.StatusActive, ""
		return nil
	})
}

func (o *fakeOperator) Add(_ context.Context, by lifecycle.Actor, s lifecycle.Spec) (control.Operation, error) {
	id := s.Tenant.ID
	if err := o.note(by, "add", id); err != nil {
		return control.Operation{}, err
	}
	o.mu.Lock()
	o.specs = append(o.specs, s)
	if _, there := o.records[id]; there {
		o.mu.Unlock()
		return control.Operation{}, control.ErrExists
	}
	o.version++
	r := &control.Record{Tenant: s.Tenant, Own: s.Tenant.Limits, State: registry.StatusPending, Migrated: -1}
	r.Status, r.Version, r.Cluster = registry.StatusPending, o.version, cmp.Or(r.Cluster, "main")
	r.Isolation = cmp.Or(r.Isolation, registry.IsolationSchema)
	o.records[id] = r
	o.mu.Unlock()
	return o.begin(by, "add", id, nil), nil
}

func (o *fakeOperator) Clone(ctx context.Context, by lifecycle.Actor, from registry.ID, to lifecycle.Spec, data bool) (control.Operation, error) {
	if err := o.note(by, fmt.Sprint("clone data=", data), from); err != nil {
		return control.Operation{}, err
	}
	if _, err := o.Record(ctx, from); err != nil {
		return control.Operation{}, err
	}
	return o.Add(ctx, by, to)
}

// start begins an operation on a tenant that must be there.
func (o *fakeOperator) start(by lifecycle.Actor, call string, id registry.ID, result any) (control.Operation, error) {
	if err := o.note(by, call, id); err != nil {
		return control.Operation{}, err
	}
	if _, err := o.Record(context.Background(), id); err != nil {
		return control.Operation{}, err
	}
	kind, _, _ := strings.Cut(call, " ")
	return o.begin(by, kind, id, result), nil
}

func (o *fakeOperator) Provision(_ context.Context, by lifecycle.Actor, id registry.ID) (control.Operation, error) {
	return o.start(by, "provision", id, nil)
}

func (o *fakeOperator) Rotate(_ context.Context, by lifecycle.Actor, id registry.ID) (control.Operation, error) {
	return o.start(by, "rotate", id, nil)
}

func (o *fakeOperator) Export(_ context.Context, by lifecycle.Actor, id registry.ID) (control.Operation, error) {
	return o.start(by, "export", id, lifecycle.ExportResult{File: id.String() + ".dump", Bytes: 7, SHA256: "ab", Format: "custom"})
}

func (o *fakeOperator) Retire(_ context.Context, by lifecycle.Actor, id registry.ID, version uint64, export bool) (control.Operation, error) {
	if _, err := o.update(id, version, func(r *control.Record) error {
		r.State, r.Status = registry.StatusRetired, registry.StatusRetired
		return nil
	}); err != nil {
		return control.Operation{}, err
	}
	return o.start(by, fmt.Sprint("retire export=", export), id, nil)
}

func (o *fakeOperator) Delete(_ context.Context, by lifecycle.Actor, id registry.ID, confirm string, export bool) (control.Operation, error) {
	if confirm != id.String() {
		return control.Operation{}, fmt.Errorf("%w: confirm must be the id, %s", lifecycle.ErrConfirm, id)
	}
	return o.start(by, fmt.Sprint("delete export=", export), id, nil)
}

func (o *fakeOperator) PlanApply(_ context.Context, docs []registry.Document) (*lifecycle.ApplyPlan, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.applied = docs
	return &lifecycle.ApplyPlan{Same: 2, Changes: []lifecycle.ApplyChange{{
		Action: "change", Tenant: registry.MustParseID("acme"), Fields: []lifecycle.FieldChange{{Field: "password", Old: "", New: "(changed)"}},
	}}}, o.err
}

func (o *fakeOperator) Apply(ctx context.Context, by lifecycle.Actor, docs []registry.Document) (control.Operation, error) {
	plan, err := o.PlanApply(ctx, docs)
	if err != nil {
		return control.Operation{}, err
	}
	_ = o.note(by, "apply", registry.ID{})
	return o.begin(by, "apply", registry.ID{}, plan), nil
}

func (o *fakeOperator) PlanMigrations(_ context.Context, r lifecycle.MigrateRequest) ([]lifecycle.PlannedMigration, error) {
	o.migrated = r
	return []lifecycle.PlannedMigration{{Tenant: registry.MustParseID("acme"), From: -1, Files: []string{"1_a.sql"}}, {Tenant: registry.MustParseID("hooli")}}, o.err
}

func (o *fakeOperator) Migrate(_ context.Context, by lifecycle.Actor, r lifecycle.MigrateRequest) (control.Operation, error) {
	if err := o.note(by, "migrate", registry.ID{}); err != nil {
		return control.Operation{}, err
	}
	o.migrated = r
	return o.begin(by, "migrate", registry.ID{}, lifecycle.MigrateResult{Migrated: 2, Failed: 1, Changes: map[string]int64{"acme": 2}}), nil
}

func (o *fakeOperator) MigrationStatus(_ context.Context, verify bool) (*lifecycle.MigrationStatus, error) {
	s := &lifecycle.MigrationStatus{Behind: 1, Failed: 1, Sets: []lifecycle.MigrationSet{
		{Set: "tenant", Latest: 4, Versions: []control.VersionCount{{Set: "tenant", Version: 4, Tenants: 2, Failed: 1}}}, {Set: "shared", Latest: 2},
	}}
	if verify {
		s.Drift = []lifecycle.Drift{{Tenant: registry.MustParseID("acme"), Mirror: 4, Actual: 3, Err: errors.New("unreachable")}}
	}
	return s, o.err
}

func (o *fakeOperator) Events(_ context.Context, tenant registry.ID, before int64, limit int) ([]control.Event, error) {
	all := slices.DeleteFunc(slices.Clone(o.events), func(e control.Event) bool {
		return before != 0 && e.ID >= before || !tenant.IsZero() && e.Tenant != tenant
	})
	slices.Reverse(all)
	return all[:min(limit, len(all))], o.err
}

func (o *fakeOperator) Reseal(_ context.Context, by lifecycle.Actor) (control.Operation, error) {
	if err := o.note(by, "reseal", registry.ID{}); err != nil {
		return control.Operation{}, err
	}
	return o.begin(by, "reseal", registry.ID{}, map[string]int{"resealed": 3}), nil
}

func (o *fakeOperator) Note(_ context.Context, by lifecycle.Actor, action string, id registry.ID, detail any) {
	text, err := json.Marshal(detail)
	if err != nil {
		panic(err)
	}
	_ = o.note(by, "note "+action+" "+string(text), id)
}

func (o *fakeOperator) ExportFolder() string { return o.folder }

// begin runs an operation in the background.
func (o *fakeOperator) begin(by lifecycle.Actor, kind string, id registry.ID, result any) control.Operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Unix(10, 0)
	op := control.Operation{ID: fmt.Sprintf("op-%04d", len(o.ops)+1), Kind: kind, Tenant: id, Actor: string(by), State: control.Running, Started: now, Updated: now}
	o.ops = append(o.ops, op)
	ctx, cancel := context.WithCancel(context.Background())
	o.cancels[op.ID] = cancel
	n := len(o.ops) - 1
	o.running.Go(func() { o.work(ctx, n, result) })
	return op
}

func (o *fakeOperator) work(ctx context.Context, n int, result any) {
	for _, step := range o.steps {
		o.change(n, func(op *control.Operation) { op.Step = step })
	}
	cancelled := false
	if o.release != nil {
		select {
		case <-o.release:
		case <-ctx.Done():
			cancelled = true
		}
	}
	o.change(n, func(op *control.Operation) {
		op.State, op.Ended = control.Done, time.Unix(20, 0)
		if result != nil {
			op.Result, _ = json.Marshal(result)
		}
		if o.failed != nil {
			op.State, op.Code, op.Error, op.Failures = o.failed.State, o.failed.Code, o.failed.Error, o.failed.Failures
		} else if r := o.records[op.Tenant]; r != nil && r.State == registry.StatusPending {
			c := *r
			c.State, c.Status = registry.StatusActive, registry.StatusActive
			o.records[op.Tenant] = &c
		}
		if cancelled {
			op.State, op.Code, op.Error = control.Failed, "cancelled", "cancelled by an operator"
		}
	})
}

func (o *fakeOperator) change(n int, alter func(*control.Operation)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	alter(&o.ops[n])
	close(o.changed)
	o.changed = make(chan struct{})
}

// end waits for every operation.
func (o *fakeOperator) end() {
	o.mu.Lock()
	for _, cancel := range o.cancels {
		cancel()
	}
	o.mu.Unlock()
	o.running.Wait()
}

func (o *fakeOperator) look(id string) (control.Operation, chan struct{}, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.ops, func(op control.Operation) bool { return op.ID == id })
	if i < 0 {
		return control.Operation{}, nil, control.ErrNoSuch
	}
	return o.ops[i], o.changed, nil
}

func (o *fakeOperator) Operation(_ context.Context, id string) (control.Operation, error) {
	op, _, err := o.look(id)
	return op, err
}

func (o *fakeOperator) Operations(_ context.Context, tenant registry.ID, state, before string, limit int) ([]control.Operation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := slices.DeleteFunc(slices.Clone(o.ops), func(op control.Operation) bool {
		return before != "" && op.ID >= before || !tenant.IsZero() && op.Tenant != tenant || state != "" && op.State != state
	})
	slices.Reverse(all)
	return all[:min(limit, len(all))], o.err
}

func (o *fakeOperator) Follow(ctx context.Context, id string, told func(control.Operation) error) error {
	for {
		op, changed, err := o.look(id)
		if err != nil {
			return err
		}
		if err := told(op); err != nil || op.State != control.Running {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (o *fakeOperator) Cancel(ctx context.Context, by lifecycle.Actor, id string) (control.Operation, error) {
	op, _, err := o.look(id)
	switch {
	case err != nil:
		return op, err
	case op.State != control.Running:
		return op, fmt.Errorf("%w: operation %s has ended", lifecycle.ErrState, id)
	}
	_ = o.note(by, "cancel "+id, registry.ID{})
	o.mu.Lock()
	o.cancels[id]()
	o.mu.Unlock()
	err = o.Follow(ctx, id, func(now control.Operation) error { op = now; return nil })
	return op, err
}
