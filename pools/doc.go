// Package pools keeps one small pgxpool per tenant: opened when the tenant is
// first leased, lent for units of work, evicted when idle or when room is
// wanted, and never closed under a holder. Every connection is pinned to its
// tenant when it is opened and checked each time it is lent.
//
//	k, err := pools.New(cfg, tenants, nil)     // tenants: a *registry.Registry
//	lease, err := k.Lease(ctx, id)             // no connection yet
//	defer lease.Release()
//	rows, err := lease.Query(ctx, "SELECT …")  // takes one while it runs
//
// This text is the package's design: what its words mean, what always holds,
// and where to find the code that makes it hold.
//
// # Words
//
//   - A lease pins a tenant's pool; it costs no connection.
//   - An entry is a pool with what the keeper knows of it, for one version of
//     the tenant's record.
//   - A flight is a creation that any number of callers wait for.
//   - The plan is what each session of a pool must look like; the pin makes it
//     so after connect, the reset makes it so again after use.
//   - Room is a place under the cap on live pools.
//   - The gate bounds a tenant's callers to its connections, with a queue.
//
// # The life of a pool
//
//	absent -> opening (flight.go) -> ready -> retired (retire.go) -> closed
//	             |                     |
//	             +-> failed -> absent  +-- reasons: idle, overflow, replaced,
//	                                       suspended, removed, evicted, shutdown
//
// # What always holds
//
// Each of these has a test that fails when it is broken.
//
//  1. What a lease of tenant T yields is T's: search path, role, database and
//     row setting are checked after they were set, and again before each
//     loan. In doubt the connection is destroyed. A failed lookup is an error.
//  2. Concurrent first callers cause one creation. It belongs to none of them:
//     it has a time limit of its own, and each caller leaves on its own context.
//  3. A pool with leases is not closed. Retirement takes it out of lookup; the
//     last release closes it, in a goroutine of its own; the drain deadline cuts
//     whoever holds on for longer.
//  4. A new pool is born pinned for everybody who waits for it, so that it
//     cannot be evicted between its birth and their first use.
//  5. No lock is held across I/O, a callback or the closing of anything.
//  6. Callers of one tenant get its connections in their order, and a tenant
//     at its limit holds up nobody else.
//  7. Every wait ends: by its context, its time limit or a full queue, each
//     with an error of its own.
//  8. Failures are remembered by database and login, not by pool.
//  9. An entry serves the version that it was opened for; a change during a
//     creation makes the creation start over.
//  10. After Close no goroutine, timer or socket is left.
//  11. An idle tenant has no connection, no ping, no timer.
//
// # Sessions
//
// A new connection is pinned and checked in one round trip (session.go). When
// it comes back after use, the reset is written and its answer left unread:
// the server resets and pins the session while it rests, and the next loan
// reads the answer, which is there by then, and checks it (ready.go). So a
// session is never trusted because of what was sent to it, only because of
// what it answered; and nobody waits for a round trip that could be had
// earlier. The check is a query of its own after the reset's commit, and
// nothing that a tenant wrote runs in either. The reset leaves the driver's
// prepared statements alone; one that the pin prepared through the protocol,
// and that SQL cannot replace, tells when somebody has not.
//
// A connection that is given up while a statement may run on it takes the
// server's side with it (reap.go): its place stays taken until then.
//
// With Trusted SQL on PostgreSQL 18 and later the server's own report of the
// search path replaces the reset.
//
// Where a login belongs to one tenant alone its pins are start-up parameters
// too, so that RESET ALL returns to them. A login that tenants share starts
// with an empty search path: a session that resets itself finds no table.
//
// # Locks
//
// Keeper.mu guards the set of pools and their retirement; entry.mu guards an
// entry's sockets; gate.mu guards one queue; backoff.mu the failure memory.
// Keeper.mu comes before entry.mu; the others are taken alone. A lease of a
// live pool takes none of them: the index is read without a lock, the pin is
// an atomic, and the order of last use catches up later (order.go).
package pools
