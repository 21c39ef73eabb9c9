package pools

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolkeeper/poolkeeper/pools/budget"
	"github.com/poolkeeper/poolkeeper/registry"
)

// retiredBit in entry.pins says that the pool takes no new lease.
const retiredBit = int64(1) << 62

// entry is one tenant's pool, for one version of its record.
//
// pins counts the leases; retiredBit is set in it once and for all when the
// entry is retired, by whoever holds the keeper's mutex. Whoever then brings
// the count to nothing has the pool closed.
type entry struct {
	keeper  *Keeper
	cluster *cluster
	tenant  *registry.Tenant // as the pool was opened for it
	plan    *plan
	target  target // the database in the failure memory
	pool    *pgxpool.Pool
	shelf   shelf
	account *budget.Account
	opened  time.Time

	idleAfter time.Duration

	pins   atomic.Int64
	used   atomic.Int64  // last use, in nanoseconds since the keeper's epoch
	losses atomic.Uint64 // how many connections broke under their holders
	trimAt atomic.Int64  // next time surplus idle connections are looked for, likewise
	cut    atomic.Bool   // the drain deadline passed: no further connection

	leakTold atomic.Int64 // when connections that were left were last told of, likewise

	// record is the tenant's latest, which differs from tenant in limits at
	// most; proven says that its login was let in by the server itself.
	record    atomic.Pointer[registry.Tenant]
	proven    atomic.Bool
	passwords passwords

	// Guarded by the keeper's mutex.
	folded  int64 // the last use that the order knows of
	reason  Reason
	closing bool
	drain   *time.Timer

	// mu guards sockets, every socket that was opened for this pool and is
	// not closed, and severed, after which there will be none. It also guards
	// sessions, all that the pool knows: one whose socket broke is there until
	// its holder has given it back. Nothing slow happens under it.
	mu       sync.Mutex
	sockets  map[*socket]struct{}
	severed  bool
	sessions map[*session]struct{}
}

// pin takes one lease; it fails when the entry is retired.
func (e *entry) pin() bool {
	for {
		n := e.pins.Load()
		if n&retiredBit != 0 {
			return false
		}
		if e.pins.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// retireUnleased retires the entry if nobody leases it.
func (e *entry) retireUnleased() bool { return e.pins.CompareAndSwap(0, retiredBit) }

// touch notes a use. The clock's resolution for this is a millisecond, so
// that a busy tenant's callers do not fight for the cache line.
func (e *entry) touch(now int64) {
	if now-e.used.Load() >= int64(time.Millisecond) {
		e.used.Store(now)
	}
}

// unpin gives one lease back.
func (e *entry) unpin() {
	k := e.keeper
	now := k.now()
	e.touch(now)
	switch e.pins.Add(-1) {
	case retiredBit:
		k.closeRetired(e)
	case 0:
		if k.wanting.Load() > 0 {
			k.grantRoom()
		}
		k.trimIfDue(e, now)
	}
}

// adopt registers a socket; it reports false when the entry was cut.
func (e *entry) adopt(s *socket) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.severed {
		e.sockets[s] = struct{}{}
	}
	return !e.severed
}

func (e *entry) disown(s *socket) {
	e.mu.Lock()
	delete(e.sockets, s)
	e.mu.Unlock()
}

// part takes a socket off the list that goes to another entry; it fails when
// the socket was closed, or is about to be cut.
func (e *entry) part(s *socket) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ours := e.sockets[s]
	if e.severed || !ours {
		return false
	}
	delete(e.sockets, s)
	return true
}

// enlist has the entry know a session, until the session leaves its pool.
func (e *entry) enlist(s *session) {
	e.mu.Lock()
	e.sessions[s] = struct{}{}
	e.mu.Unlock()
}

func (e *entry) strike(s *session) {
	e.mu.Lock()
	delete(e.sessions, s)
	e.mu.Unlock()
}

// known returns the sessions that have not left the pool.
func (e *entry) known() []*session {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Collect(maps.Keys(e.sessions))
}

// sever ends the coming and going of sockets, and returns those that are open.
func (e *entry) sever() []*socket {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.severed = true
	return slices.Collect(maps.Keys(e.sockets))
}

// cutAll closes every connection of the entry, also those in use, and allows
// no new one. What runs on them is cancelled first: a server does not notice
// by itself that the client of a running statement has gone.
func (e *entry) cutAll() {
	e.cut.Store(true)
	// The pool's own end has no context.
	ctx, cancel := context.WithTimeout(context.Background(), e.keeper.cfg.CancelTimeout)
	defer cancel()
	open := e.sever() // from here on none of them goes to another tenant
	var requests sync.WaitGroup
	for _, s := range open {
		s.because("cut")
		if session := s.session.Load(); session != nil && session.holder.Load() != nil {
			requests.Go(func() { _ = session.pg.CancelRequest(ctx) }) // it is cut anyway
		}
	}
	requests.Wait()
	for _, s := range open {
		s.abort()
	}
	for _, s := range e.known() { // whose socket broke before: its pool waits for it all the same
		if holder := s.holder.Load(); holder != nil {
			holder.seize()
		}
	}
}
