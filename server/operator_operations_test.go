package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

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
		time.Sleep(o.pace) // in a bubble of synctest, or 0
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
	all = all[:min(limit, len(all))]
	for i, op := range all { // as the control database lists them
		all[i].Result, all[i].Failures = nil, op.Failures[:min(1, len(op.Failures))]
		all[i].More = len(op.Failures) - len(all[i].Failures)
	}
	return all, o.err
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
		return op, fmt.Errorf("%w: operation %s has ended", lifecycle.ErrCancel, id)
	}
	_ = o.note(by, "cancel "+id, registry.ID{})
	o.mu.Lock()
	o.cancels[id]()
	o.mu.Unlock()
	err = o.Follow(ctx, id, func(now control.Operation) error { op = now; return nil })
	return op, err
}
