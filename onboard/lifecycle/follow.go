package lifecycle

import (
	"context"
	"reflect"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// followEvery is how often an operation of another process is looked at.
const followEvery = 300 * time.Millisecond

// Operation returns an operation of any process. Errors: control.ErrNoSuch.
func (o *Operator) Operation(ctx context.Context, id string) (control.Operation, error) {
	if j := o.job(id); j != nil {
		return j.snapshot(), nil
	}
	return o.db.Operation(ctx, id)
}

// Operations lists operations of all processes, the newest first. Zero values
// do not filter; before is the ID to page on.
func (o *Operator) Operations(ctx context.Context, tenant registry.ID, state, before string, limit int) ([]control.Operation, error) {
	return o.db.Operations(ctx, tenant, state, before, limit)
}

func (o *Operator) job(id string) *job {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.running[id]
}

// Follow calls told with the operation as it is, and again whenever it has
// changed, until it has ended, ctx ends or told returns an error, which is
// returned. The last call has an operation that has ended.
func (o *Operator) Follow(ctx context.Context, id string, told func(control.Operation) error) error {
	if j := o.job(id); j != nil {
		return j.follow(ctx, told)
	}
	return o.followStored(ctx, id, told)
}

func (j *job) follow(ctx context.Context, told func(control.Operation) error) error {
	for {
		j.mu.Lock()
		op, changed := j.op, j.changed
		j.mu.Unlock()
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

// failureSize is about how long a failure is when it is written, in bytes.
const failureSize = 200

// followStored looks at the database now and then, less often where there is
// much to read.
func (o *Operator) followStored(ctx context.Context, id string, told func(control.Operation) error) error {
	var last control.Operation
	for {
		op, err := o.db.Operation(ctx, id)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(op, last) {
			last = op
			if err := told(op); err != nil {
				return err
			}
		}
		if op.State != control.Running {
			return nil
		}
		select {
		case <-time.After(followEvery + time.Duration(len(op.Result)+failureSize*len(op.Failures))*time.Microsecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Cancel ends a running operation of this process; what it was doing is left
// so that asking for it again finishes it. Errors: control.ErrNoSuch,
// ErrCancel.
func (o *Operator) Cancel(ctx context.Context, by Actor, id string) (control.Operation, error) {
	j := o.job(id)
	if j == nil {
		op, err := o.db.Operation(ctx, id)
		switch {
		case err != nil:
			return op, err
		case op.State == control.Running:
			return op, refuse(ErrCancel,
				"the process %s works on operation %s, and it alone can cancel it: ask the admin API there, or end it if it is a command with --direct", op.Replica, id)
		default:
			return op, refuse(ErrCancel, "operation %s has ended", id)
		}
	}
	if op := j.snapshot(); op.State != control.Running { // its end is being written down
		return op, refuse(ErrCancel, "operation %s has ended", id)
	}
	j.cancel()
	o.audit(ctx, by, "operation.cancel", j.op.Tenant, map[string]string{"operation": id}, nil)
	err := j.follow(ctx, func(control.Operation) error { return nil })
	return j.snapshot(), err
}
