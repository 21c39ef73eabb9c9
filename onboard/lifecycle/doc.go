// Package lifecycle does what operators ask for: tenants come, change, move
// from one state to the next, and go. It puts together the control database
// (package control: who the tenants are) and the provisioner (package onboard:
// what they have on their servers).
//
//	operator := lifecycle.New(lifecycle.Deps{Control: db, Provisioner: p, ...})
//	defer operator.Close()
//	op, err := operator.Add(ctx, "alice", lifecycle.Spec{Tenant: t})
//	err = operator.Follow(ctx, op.ID, show)
//
// # States
//
//	pending ──provision──> active <──resume/suspend──> suspended
//	                          └──────retire──> retired ──delete──> gone
//
// A record exists before anything else does, as pending, and becomes active
// last, after a connection as the tenant has worked. Whatever fails in between
// leaves it pending with the reason, and [Operator.Provision] goes on from
// there. What the file declares is kept apart from what operators say, and the
// stricter of the two holds.
//
// # Operations
//
// Work that takes longer than a request is an operation: a row in the control
// database that says what is being done, by whom, how far it is and how it
// ended. It belongs to the process that began it and goes on when the request
// that asked for it ends. Each step is written down before it begins. A process
// that dies leaves an operation that is told as interrupted; asking for the
// same again finishes it, because every step looks before it acts.
//
// API keys and readers are made while the caller waits, and so are no
// operations; see [Operator.CreateKey] and [Operator.MakeReader].
//
// One tenant is worked on by one operation at a time, whichever process it
// runs in; a second one is refused with who holds the tenant.
package lifecycle
