package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// applyAtOnce is how many tenants of a file are worked on side by side; what
// the budgets leave room for may be less.
const applyAtOnce = 4

// Apply brings about what the documents declare; see [Operator.PlanApply] for
// what that is. Tenants that are as declared cost nothing. A tenant that fails
// is told in the operation, and the others go on. Its result is the plan, with
// what went wrong. Errors: registry.Problems, for the documents as a whole;
// then nothing was done.
func (o *Operator) Apply(ctx context.Context, by Actor, docs []registry.Document) (control.Operation, error) {
	diff, err := o.compareDeclared(ctx, docs)
	if err != nil {
		return control.Operation{}, err
	}
	op := control.Operation{Kind: "apply", Actor: string(by), Total: len(diff.changes)}
	return o.begin(ctx, op, func(ctx context.Context, j *job) error {
		err := o.carryOut(ctx, j, diff)
		plan := diff.plan()
		j.result(plan)
		if len(plan.Changes) > 0 {
			o.audit(ctx, by, "tenants.apply", registry.ID{}, counts(plan), err)
		}
		return err
	})
}

// counts says how much of what there is in a plan.
func counts(plan *ApplyPlan) map[string]int {
	n := map[string]int{"same": plan.Same}
	for _, c := range plan.Changes {
		n[c.Action]++
		if c.Error != "" {
			n["failed"]++
		}
	}
	return n
}

// carryOut does the changes side by side, those that take a tenant out of
// service before the others.
func (o *Operator) carryOut(ctx context.Context, j *job, diff *diff) error {
	var mu sync.Mutex // guards the changes' errors
	failed := 0
	for _, first := range []bool{true, false} {
		group, running := errgroup.WithContext(ctx)
		group.SetLimit(applyAtOnce)
		for i := range diff.changes {
			c := &diff.changes[i]
			if (c.Action == actionSuspend) != first {
				continue
			}
			group.Go(func() error {
				err := o.carryOutOne(running, j, c)
				j.one(c.Tenant, err)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					c.Error = err.Error()
					failed++
				}
				return running.Err()
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	if failed > 0 {
		return refuse(ErrPartly, "%d of %d could not be done; apply again when it is mended", failed, len(diff.changes))
	}
	return nil
}

func (o *Operator) carryOutOne(ctx context.Context, j *job, c *change) error {
	if c.refused != nil {
		return c.refused
	}
	if c.Action == actionSuspend {
		if err := o.outOfService(ctx, c); err != nil || c.gone {
			return err
		}
	}
	return o.lockedInTurn(ctx, c.Tenant, "apply", func(ctx context.Context) error {
		now, same, err := o.compareAgain(ctx, c)
		switch {
		case err != nil || same:
			return err
		case now.refused != nil:
			return now.refused
		case now.record == nil:
			return o.declareNew(ctx, j, &now)
		}
		return o.declare(ctx, j, &now)
	})
}

// compareAgain finds what is not as declared by now: another process may have
// applied the same file, and operators go on with their work.
func (o *Operator) compareAgain(ctx context.Context, c *change) (now change, same bool, err error) {
	records, err := o.db.Records(ctx, control.Filter{IDs: []registry.ID{c.Tenant}})
	if err != nil {
		return change{}, false, err
	}
	var is *control.Record
	if len(records) == 1 {
		is = records[0]
	}
	now, same = compare(is, c.want, c.given)
	return now, same, nil
}

// outOfService ends the service of a tenant at once, whoever works on it.
func (o *Operator) outOfService(ctx context.Context, c *change) error {
	if c.gone {
		return o.undeclare(ctx, c)
	}
	_, err := o.db.Update(ctx, c.Tenant, 0, func(r *control.Record) error {
		r.Declared = c.want.Declared
		return nil
	})
	return err
}

// declareNew makes a tenant that the file has and nobody else.
func (o *Operator) declareNew(ctx context.Context, j *job, c *change) error {
	r := *c.want
	r.State = registry.StatusPending
	if _, err := o.db.Create(ctx, &r); err != nil {
		return err
	}
	return o.makeReal(ctx, j, r.ID)
}

// gone is the reason of a tenant that the file does not have any more.
const gone = "gone from the file"

// undeclare suspends a tenant that has gone from the file. Its data stays, and
// from now on it is the operators' again.
func (o *Operator) undeclare(ctx context.Context, c *change) error {
	_, err := o.db.Update(ctx, c.Tenant, 0, func(r *control.Record) error {
		r.Declared = ""
		if r.State == registry.StatusActive {
			r.State, r.Reason = registry.StatusSuspended, gone
		}
		return nil
	})
	return err
}

// declare changes a record to what the file says. A tenant that comes back
// into service is migrated first; one that is pending is made real.
func (o *Operator) declare(ctx context.Context, j *job, c *change) error {
	if c.returns() {
		if err := o.catchUp(ctx, c.record); err != nil {
			return err
		}
	}
	r, err := o.db.Update(ctx, c.Tenant, 0, func(r *control.Record) error {
		c.apply(r)
		return nil
	})
	if err != nil {
		return err
	}
	if r.State == registry.StatusPending {
		return o.makeReal(ctx, j, r.ID)
	}
	if connLimits(c.record.Limits) != connLimits(r.Limits) {
		o.limitConnections(ctx, r)
	}
	if !c.password {
		return nil
	}
	if !r.NextPassword.IsZero() { // a rotation that was cut short has to end first
		if err := o.rotate(ctx, j, r.ID, r.NextPassword); err != nil {
			return err
		}
	}
	return o.rotate(ctx, j, r.ID, c.want.Password)
}

// Reconcile is Apply for the file that the program follows: it returns when
// everything is done, and reports every change.
func (o *Operator) Reconcile(ctx context.Context, docs []registry.Document, told func(ApplyChange)) error {
	op, err := o.Apply(ctx, "config", docs)
	if err != nil {
		return err
	}
	var last control.Operation
	err = o.Follow(ctx, op.ID, func(op control.Operation) error { last = op; return nil })
	if err != nil {
		return err
	}
	plan, err := planOf(last)
	if err != nil {
		return err
	}
	for _, c := range plan.Changes {
		told(c)
	}
	if last.State != control.Done && last.Code != codePartly {
		return fmt.Errorf("applying the file: %w", errors.New(last.Error))
	}
	return nil
}
