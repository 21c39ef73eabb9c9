// Package pools keeps one small pgxpool per tenant: opened when the tenant is
// first leased, lent for units of work, evicted when idle or when room is
// wanted, and never closed under a holder. All pools of a server share one
// budget of connections. Every connection is pinned to its tenant when the
// tenant gets it, and checked each time it is lent.
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
//   - A lease pins a tenant's pool; it costs no connection (lease.go).
//   - An entry is a pool with what the keeper knows of it, for one version of
//     the tenant's record (entry.go). A flight is its creation, for which any
//     number of callers wait (flight.go), and which begins with Config.Prepare
//     (prepare.go). Room is a place under the cap on
//     live pools (room.go).
//   - A reader is a tenant's second login, which may only read. Its pool is one
//     like any other, under an id of its own (registry.ID.Reader): it counts
//     towards MaxPools, and has its share of the budget.
//   - The shelf is where a tenant's idle connections rest, and where a caller
//     waits for one (shelf.go, callers.go). It stands before pgxpool, which
//     opens and closes; what rests there counts as acquired in pgxpool.
//   - A cluster is one server (cluster.go). A slot is its budget's permission
//     for one socket (package budget, which decides who gets one); a permit is
//     a slot with all that needs it (permit.go).
//   - An opening is a connection being made on a permit (opening.go): dialled,
//     by handoff from another tenant (package handoff), or from a spare, which
//     is nobody's yet (spare.go).
//   - An errand is a short connection that is no tenant's (errand.go).
//   - The plan is what each session of a pool must look like (plan.go); the pin
//     makes it so, the reset makes it so again after use (session.go).
//
// # The life of a pool
//
//	absent -> opening (flight.go) -> ready -> retired (retire.go) -> closed
//	             |                     |
//	             +-> failed -> absent  +-- reasons: idle, overflow, replaced,
//	                                       suspended, removed, evicted, shutdown
//
// # The life of a connection
//
//	slot granted -+- with a connection: take it over -+-> pin, check --+
//	              |               | in any doubt      |                |
//	              |               v                   |                |
//	              +- without one: dial, log in -------+                v
//	       +-> rests on the shelf ---------> ready (ready.go) ------> lent
//	       |     |                             ^                       |
//	       |     +-> given to another tenant   | first caller in line  |
//	       |     |                             |                       |
//	       +-----|-----------------------------+----------- settle <---+
//	             +-> closed: the socket lingers until the server has let go,
//	                 then the slot is free (socket.go)
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
//     whoever holds on for longer. What rests of a tenant that is suspended or
//     removed is closed at once. A new pool is born pinned for all who wait.
//  4. No socket to a server is opened beyond its budget. Each has a permit
//     from before its dial until the server has closed its side too, or did
//     not for as long as lingerFor says. No failure on the way loses one.
//  5. A cancel request takes no slot: a full budget does not keep it back.
//  6. A connection that changes hands has no setting, object, statement, lock
//     or message of its earlier tenant's. One that was made a login's by a
//     claim goes to nobody else.
//  7. No lock is held across a dial, a query, a callback or a pool's closing.
//  8. Callers of one tenant are served in their order. Between tenants the one
//     that holds least by weight goes first; one at its own limit holds up
//     nobody; what a tenant is guaranteed is not taken for others.
//  9. Every wait ends: by its context, its time limit or a full queue, each
//     with an error of its own. Exhaustion is not an outage.
//  10. Failures are remembered by database and login, not by pool (breaker.go,
//     memory.go).
//  11. An entry serves the record that it was opened for; a change during a
//     creation makes it start over. Limits alone change where they stand, and
//     no statement is cut for a smaller one (limits.go, runtime.go).
//  12. After Close no goroutine, timer or socket is left. An idle tenant has no
//     connection, no ping, no timer.
//
// # Sessions
//
// A new connection is pinned and checked in one round trip. When it comes back
// after use, the reset is written and its answer left unread: the server
// resets and pins the session while it rests, and the next loan reads the
// answer, which is there by then, and checks it. So a session is never trusted
// because of what was sent to it, only because of what it answered. The check
// is a query of its own after the reset's commit, and nothing that a tenant
// wrote runs in either. The reset leaves the driver's prepared statements
// alone; one that the pin prepared through the protocol, and that SQL cannot
// replace, tells when somebody has not. With Trusted SQL on PostgreSQL 18 and
// later the server's own report of the search path replaces the reset.
//
// For another tenant the session is discarded whole (DISCARD ALL), pinned and
// checked, in one round trip. Where a login belongs to one tenant alone its
// pins are start-up parameters too, so that RESET ALL returns to them; a login
// that tenants share starts with an empty search path, and so does a spare.
//
// A login's password may change while sessions last, which do not notice. A
// dial that is refused for it tries what else the record knows and then what
// Config.Refresh says, on the permit that it has (password.go); it has failed
// only when none is taken.
//
// A connection that is given up while a statement may run on it takes the
// server's side with it (reap.go), on an errand: its slot is taken until then.
//
// # Locks
//
// Keeper.mu guards the set of pools and their retirement, entry.mu an entry's
// sockets; the first comes before the second. shelf.mu guards a shelf, and
// cluster.mu what may change of a cluster; the budget, which has a mutex of
// its own, may be asked under either, and calls nobody back under it.
// breaker.mu guards the failure memory, passwords.mu what an entry logs in
// with; both are taken alone. A lease of a live pool takes none of them: the
// index is read without a lock (index.go), the pin is an atomic, and the order
// of last use catches up later (order.go).
package pools
