package pools

import (
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// What an entry reads from the failure memory, and writes to it.

// backoffLeft is how long the next connection must wait: for the database, or
// for the tenant whose pin was refused there.
func (e *entry) backoffLeft() time.Duration {
	return max(e.keeper.breaker.left(e.target), e.keeper.breaker.left(e.pinTarget()))
}

// tryDial returns why no connection may be dialled now: a database that
// failed, a pin that was refused, or a server without a connection to spare.
// When it returns nil this is the try that others wait for, and abandonTry
// must follow, whatever became of it.
func (e *entry) tryDial() error {
	b := e.keeper.breaker
	switch {
	case b.left(e.fullTarget()) > 0:
		return errServerFull
	case e.spare() && !e.own() && b.remembers(e.target): // the try is for somebody who waits for its outcome
		return errBackedOff
	case b.left(e.pinTarget()) > 0, b.try(e.target) > 0:
		return errBackedOff
	default:
		return nil
	}
}

// abandonTry ends a try that said nothing about the database.
func (e *entry) abandonTry() { e.keeper.breaker.abandoned(e.target) }

// pinTarget is the key of the tenant's own failures: a schema that is missing
// says nothing about others who use the same login.
func (e *entry) pinTarget() target {
	t := e.target
	t.tenant = e.tenant.ID.String()
	if e.spare() {
		t.tenant = "\x00spares" // no tenant's id
	}
	return t
}

// fullTarget is the key of a server that has no connection left.
func (e *entry) fullTarget() target { return target{cluster: e.cluster.name} }

// shutOut are the codes with which a server does not let a login in: its
// password is wrong, it may not log in (from here), or not to this database.
func shutOut() []string { return []string{"28P01", "28000", "42501"} }

// serverPause is how long a server that had no connection left is not asked
// for another one. Connections may be handed over meanwhile.
const serverPause = 100 * time.Millisecond

// connectFailed notes a failed dial, whoever waited for it. A pooler between
// us and the server may not accept start-up parameters: from then on the pin
// alone sets them.
func (e *entry) connectFailed(err error, carried bool) {
	k := e.keeper
	if errors.Is(err, ErrDrained) || errors.Is(err, ErrBudget) || e.cut.Load() { // the database had no part in it
		return
	}
	pg, _ := errors.AsType[*pgconn.PgError](err)
	if pg != nil && slices.Contains(shutOut(), pg.Code) {
		e.disprove()
	}
	switch {
	case pg != nil && carried && refusesParameters(pg):
		if _, known := k.plainStart.LoadOrStore(e.target, struct{}{}); !known {
			k.log.Warn("server refuses start-up parameters: sessions are pinned after connect alone",
				"tenant", e.tenant.ID.String(), "cluster", e.tenant.Cluster, "message", pg.Message)
		}
	case pg != nil && pg.Code == tooManyConnections:
		k.breaker.pause(e.fullTarget(), serverPause)
		k.log.Warn("the server has no connection left; the budget is too big for it",
			"tenant", e.tenant.ID.String(), "cluster", e.tenant.Cluster, "message", pg.Message)
	case k.breaker.failed(e.target):
		k.log.Warn("connecting failed", "tenant", e.tenant.ID.String(), "cluster", e.tenant.Cluster, "error", err)
	}
}
