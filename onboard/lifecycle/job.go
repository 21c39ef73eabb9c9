package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// noteEvery is how often the progress of many tenants is written down; steps
// of one tenant are all written.
const noteEvery = 200 * time.Millisecond

// A job is an operation of this process.
type job struct {
	operator *Operator
	cancel   context.CancelFunc

	// mu guards what follows. The database is written outside of it.
	mu      sync.Mutex
	op      control.Operation
	changed chan struct{} // closed and replaced with every change
	noted   time.Time
	draft   json.RawMessage // of a result that is not whole, to be written once
	drafted time.Time

	// writing is held while the operation is written to the database, so that
	// an older state never follows a newer.
	writing sync.Mutex
}

// errStopped is the cause when the operator closes.
var errStopped = errors.New("the process stopped; ask for it again to finish it")

// errCancelled is the cause when an operator cancels an operation.
var errCancelled = errors.New("cancelled by an operator")

// begin starts an operation that work does in the background.
func (o *Operator) begin(ctx context.Context, op control.Operation, work func(context.Context, *job) error) (control.Operation, error) {
	j, running, err := o.open(ctx, op)
	if err != nil {
		return control.Operation{}, err
	}
	o.deps.Observer.OperationBegan(op.Kind)
	go func() {
		defer o.working.Done()
		defer o.closeJob(j)
		j.finish(running, work(running, j))
		j.keepNoting()
	}()
	return j.snapshot(), nil
}

// open stores the operation and counts it as running.
func (o *Operator) open(ctx context.Context, op control.Operation) (*job, context.Context, error) {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return nil, nil, ErrClosed
	}
	o.working.Add(1)
	o.mu.Unlock()
	stored, err := o.db.Begin(ctx, op)
	if err != nil {
		o.working.Done()
		return nil, nil, err
	}
	running, cancel := context.WithCancelCause(o.lifetime)
	j := &job{operator: o, cancel: func() { cancel(errCancelled) }, op: stored, changed: make(chan struct{})}
	o.mu.Lock()
	o.running[stored.ID] = j
	o.mu.Unlock()
	return j, onboard.WithSteps(running, j.step), nil
}

func (o *Operator) closeJob(j *job) {
	j.cancel()
	o.mu.Lock()
	delete(o.running, j.op.ID)
	o.mu.Unlock()
}

func (j *job) snapshot() control.Operation {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.op
}

// step writes down what begins now, before it begins; of the steps of many
// tenants some.
func (j *job) step(name string) {
	j.change(func(op *control.Operation) { op.Step = name })
	if !j.op.Tenant.IsZero() || j.due() {
		_ = j.note() // the log says so
	}
	if told := j.operator.deps.Step; told != nil {
		told(j.op.Kind, name)
	}
}

// change alters the operation and tells those who follow it.
func (j *job) change(alter func(*control.Operation)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	alter(&j.op)
	j.op.Updated = time.Now()
	close(j.changed)
	j.changed = make(chan struct{})
}

// one counts a tenant that is done, well or badly.
func (j *job) one(id registry.ID, err error) {
	j.change(func(op *control.Operation) {
		op.Done++
		if err != nil {
			// Followers have the old slice, which is shorter.
			op.Failures = append(op.Failures, control.Failure{Tenant: id, Error: clipTo(mostOfFailure, err.Error())})
		}
	})
	if j.due() {
		_ = j.note() // the log says so
	}
}

// mostOfFailure is how long the error of one tenant of many may be.
const mostOfFailure = 500

// due reports whether it is time to write down the progress of many tenants:
// the less often, the more there is to write.
func (j *job) due() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return time.Since(j.noted) >= noteEvery+time.Duration(len(j.op.Failures))*time.Millisecond
}

// result is what the operation brought, as JSON.
func (j *job) result(v any) {
	text, err := json.Marshal(v)
	if err != nil {
		j.operator.log.Error("a result cannot be written", "operation", j.op.ID, "error", err)
		return
	}
	j.change(func(op *control.Operation) { op.Result = text })
}

// save has a result that is not whole yet written with the next note: a run
// that is killed can be undone by it. It grows with the fleet, and so does the
// time until it is written again; nobody follows it.
func (j *job) save(size int, result func() any) {
	j.mu.Lock()
	due := time.Since(j.drafted) >= noteEvery+time.Duration(size)*time.Millisecond
	j.mu.Unlock()
	if !due {
		return
	}
	text, err := json.Marshal(result())
	if err != nil {
		j.operator.log.Error("a result cannot be written", "operation", j.op.ID, "error", err)
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.draft, j.drafted = text, time.Now()
}

// note writes the operation to the database. Who follows it in this process
// does not depend on that.
func (j *job) note() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	j.mu.Lock()
	op := j.op
	if op.Result == nil {
		op.Result, j.draft = j.draft, nil
	}
	j.noted = time.Now()
	j.mu.Unlock()
	// The end is written also when the operator is closing.
	ctx, cancel := afterwards(j.operator.lifetime)
	defer cancel()
	err := j.operator.db.Note(ctx, op)
	if err != nil {
		j.operator.log.Error("an operation's progress could not be written", "operation", op.ID, "error", err)
	}
	return err
}

// keepNoting writes the end until it stands there: to other processes the
// operation would run for as long as this one does.
func (j *job) keepNoting() {
	o := j.operator
	for err := j.note(); err != nil && !errors.Is(err, control.ErrNoSuch) && o.lifetime.Err() == nil; err = j.note() {
		select {
		case <-time.After(endAgain):
		case <-o.lifetime.Done():
		}
	}
}

// endAgain is how often the end of an operation is tried to be written down.
const endAgain = 2 * time.Second

// finish says how it ended. An operator that closes leaves its operations as
// interrupted: asking again finishes them.
func (j *job) finish(ctx context.Context, err error) {
	j.change(func(op *control.Operation) {
		op.Ended = time.Now()
		op.State = control.Done
		switch {
		case err == nil:
		case j.operator.lifetime.Err() != nil:
			op.State, op.Error, op.Code = control.Interrupted, errStopped.Error(), codeCut
		case errors.Is(context.Cause(ctx), errCancelled):
			op.State, op.Error, op.Code = control.Failed, errCancelled.Error(), codeCancelled
		default:
			op.State, op.Error, op.Code = control.Failed, err.Error(), codeOf(err)
		}
	})
	j.operator.deps.Observer.OperationEnded(j.op.Kind, outcomeOf(j.op))
	j.operator.log.Info("operation ended", "operation", j.op.ID, "kind", j.op.Kind, "tenant", j.op.Tenant.String(), "state", j.op.State, "error", j.op.Error)
}
