package pools

import (
	"fmt"
	"time"
)

// wallFor is how long a wall that was recognised is believed in: after that
// the login's powers are looked at again, with the next reset.
const wallFor = 10 * time.Second

// recogniseWall draws the conclusion from an answer with the login's powers.
func (s *session) recogniseWall() {
	e := s.entry
	s.provedAt = e.keeper.now()
	if s.wall = e.plan.wall; s.wall == nil {
		s.wall = e.plan.wallByPowers(s.answer.powers)
	}
	e.keeper.recogniseServer(e.tenant.Cluster, s.answer.powers[colStarted])
	e.cluster.learn(s.answer.powers[colOffered])
}

// recogniseServer notes that a cluster is the server that was started then.
// Under two names of one server a login may look like one tenant's alone
// while it is two tenants'.
func (k *Keeper) recogniseServer(cluster, started string) {
	if started == "" {
		return
	}
	first, _ := k.servers.LoadOrStore(started, cluster)
	if first == cluster {
		return
	}
	k.twins.Store(first, cluster)
	if _, known := k.twins.Swap(cluster, first); !known {
		k.log.Error("two clusters are one server: SQL from clients is refused on both",
			"cluster", cluster, "other", first)
	}
}

// Walled reports nil when SQL on this connection, whoever wrote it, cannot
// reach another tenant's rows: no other record uses the login, and the login
// has no power beyond its own. Otherwise the error matches ErrNotWalled and
// says what to change. It was found out when the connection was opened, and
// is again from time to time.
func (c *Conn) Walled() error {
	e := c.session.entry
	if _, twin := e.keeper.twins.Load(e.tenant.Cluster); twin && c.session.wall == nil { // which: see the log
		return fmt.Errorf("%w: its server has two names in the configuration; give it one", ErrNotWalled)
	}
	return c.session.wall
}
