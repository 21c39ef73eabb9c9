package lifecycle

import "github.com/poolkeeper/poolkeeper/registry/control"

// Observer is told what the work of operators comes to; it must not block.
// *metrics.Metrics is one.
type Observer interface {
	// OperationBegan gets the kind of an operation that this process begins.
	OperationBegan(kind string)
	// OperationEnded gets the kind again, and control.Done, control.Failed,
	// control.Interrupted, "cancelled", or "busy" when another operation was
	// at the tenant.
	OperationEnded(kind, outcome string)
	// Onboarded is told of every try to make a tenant real: one that is added,
	// cloned, declared or provisioned again.
	Onboarded(err error)
	// Migrated is told of every tenant whose migrations were run or undone,
	// with nil, or with why that stopped. Those of a new tenant are a part of
	// making it real.
	Migrated(err error)
}

// outcomeOf is what an operation that has ended came to.
func outcomeOf(op control.Operation) string {
	switch op.Code {
	case codeCancelled, codeBusy: // nothing went wrong
		return op.Code
	default:
		return op.State
	}
}

type unobserved struct{}

func (unobserved) OperationBegan(string)         {}
func (unobserved) OperationEnded(string, string) {}
func (unobserved) Onboarded(error)               {}
func (unobserved) Migrated(error)                {}
