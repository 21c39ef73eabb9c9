package server_test

import (
	"cmp"
	"context"
	"encoding/json"
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
	pace  time.Duration // between steps
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

func (o *fakeOperator) Forget(_ context.Context, by lifecycle.Actor, id registry.ID, confirm string) (control.Operation, error) {
	if confirm != id.String() {
		return control.Operation{}, fmt.Errorf("%w: confirm must be the id, %s", lifecycle.ErrConfirm, id)
	}
	return o.start(by, "delete forget", id, nil)
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
