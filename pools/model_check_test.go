package pools_test

import (
	"context"
	"errors"
	"strings"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

// acquire has a client lease a tenant and take a connection.
func (m *model) acquire(c *client, name string) {
	if c.state != "" {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	*c = client{tenant: name, state: "leasing", cancel: cancel, began: time.Now(), max: m.maxOf(name), pool: m.pools[name].number}
	go func() {
		lease, err := m.Lease(ctx, id(name))
		m.mu.Lock()
		m.leased(c, lease, err)
		m.mu.Unlock()
		if err != nil {
			return
		}
		conn, err := lease.Acquire(ctx)
		if err != nil {
			lease.Release()
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.acquired(c, conn, err)
	}()
}

func (m *model) leased(c *client, lease *pools.Lease, err error) {
	changed := c.pool != m.pools[c.tenant].number
	switch {
	case err == nil:
		c.lease, c.state, c.ticket, c.pool = lease, "waiting", m.step, m.pools[c.tenant].number
		if v := lease.Tenant().Version; v < m.pools[c.tenant].version || m.suspended(c.tenant) {
			m.wrong = append(m.wrong, "a lease of a record that is not in force any more: "+c.tenant)
		}
		return
	case errors.Is(err, registry.ErrInactive) && (m.suspended(c.tenant) || changed):
	case errors.Is(err, context.Canceled) && c.cancelled:
	default:
		m.wrong = append(m.wrong, "lease "+c.tenant+": "+err.Error())
	}
	*c = client{}
}

func (m *model) acquired(c *client, conn *pools.Conn, err error) {
	if err == nil {
		c.conn, c.state, c.cancel = conn, "holding", nil
		m.served = append(m.served, *c)
		return
	}
	waited := time.Since(c.began)
	switch {
	case errors.Is(err, context.Canceled):
		err = provoked(err, c.cancelled)
	case errors.Is(err, pools.ErrBudget), errors.Is(err, pools.ErrTenantTimeout):
		err = provoked(err, waited >= 20*time.Second)
	case errors.Is(err, pools.ErrDrained):
		err = provoked(err, m.cut(c))
	case errors.Is(err, pools.ErrDatabase):
		backedOff := m.stopped && strings.Contains(err.Error(), "backing off")
		err = provoked(err, m.isTroubled() || m.broken[c.tenant] || backedOff)
	}
	if err != nil {
		m.wrong = append(m.wrong, "after "+waited.String()+": "+err.Error())
	}
	*c = client{}
}

// provoked drops an error that was to be expected.
func provoked(err error, expected bool) error {
	if expected {
		return nil
	}
	return err
}

// isTroubled reports whether something is broken, or was so lately that it
// is remembered.
func (m *model) isTroubled() bool {
	return !m.troubled.IsZero() && time.Since(m.troubled) < 10*time.Second
}

// cut reports whether the client's pool is past its drain deadline.
func (m *model) cut(c *client) bool {
	p := m.pools[c.tenant]
	return p.number != c.pool && (p.number > c.pool+1 || time.Since(p.retired) >= 30*time.Second)
}

// statement runs sql on the connection that the client holds.
func (m *model) statement(c *client, sql string) {
	if c.state != "holding" || c.strayed && strings.HasPrefix(sql, "check") {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.state, c.cancel, c.cancelled = "running", cancel, false
	c.strayed = c.strayed || !strings.HasPrefix(sql, "check")
	go func() {
		_, err := c.conn.Conn().PgConn().Exec(ctx, sql).ReadAll()
		cancel()
		m.mu.Lock()
		defer m.mu.Unlock()
		c.state, c.cancel = "holding", nil
		pg := new(pgconn.PgError)
		switch ended := errors.As(err, &pg) && pg.Code == "57014"; {
		case err == nil && sql != "hang", ended && c.cancelled, m.cut(c), c.conn.Conn().PgConn().PID() <= m.lost:
		case err == nil:
			m.wrong = append(m.wrong, "a statement without an end ended")
		default:
			m.wrong = append(m.wrong, c.tenant+": "+sql+": "+err.Error())
		}
	}()
}

func (m *model) release(c *client) {
	if c.state != "holding" {
		return
	}
	c.conn.Release()
	c.lease.Release()
	*c = client{}
}

// checkSession is what a statement of name's sees of its session.
func (m *model) checkSession(name string, s *poolstest.Session) {
	t := m.record(name)
	row, user := "", "shared"
	if t.Isolation == registry.IsolationRow {
		row = name
	}
	if !t.SharedLogin {
		user = name
	}
	app := s.Settings["application_name"]
	owner, known := m.TenantOf(app)
	if s.Settings["search_path"] != `"`+name+`"` || s.Settings["app.tenant_id"] != row || s.User != user ||
		known && owner != id(name) || !strings.HasPrefix(app, "poolkeeper:") || strings.Contains(app, "spare") {
		m.report("a statement of %s ran as %s with %v, called by %v", name, s.User, s.Settings, owner)
	}
}

// before takes note of how things are before a step.
func (m *model) before(a action) {
	m.step++
	m.served = nil
	m.allowed = max(m.stat().InUse, m.budget)
	if a.Kind == "stop" {
		m.mu.Lock()
		m.stopped, m.lost = true, uint32(m.server.Startups())
		m.mu.Unlock()
	}
	m.was = m.guaranteed()
}

// guaranteed is what happened so far to the connections of t00.
func (m *model) guaranteed() snapshot {
	s := snapshot{number: m.pools["t00"].number}
	s.robbed = m.seen.count("t00 closed handoff") + m.seen.count("t00 closed stolen")
	for _, why := range []string{"idle", "lifetime", "lost", "drift", "discarded", "cut", "shrunk", "replaced", "suspended", "evicted", "shutdown"} {
		s.closed += m.seen.count("t00 closed " + why)
	}
	for _, p := range m.Stats() {
		s.draining = s.draining || p.Tenant == id("t00") && p.State == pools.StateDraining
	}
	return s
}

// settled compares, after a step.
func (m *model) settled() {
	s := m.stat()
	if peak := m.server.Peak(); peak > max(m.allowed, m.budget) {
		m.report("step %d: %d sockets at once, %d are allowed", m.step, peak, max(m.allowed, m.budget))
	}
	m.server.ForgetPeak()
	if open := m.server.Open(); s.InUse < open {
		m.report("step %d: %d sessions are open, %d of the budget in use", m.step, open, s.InUse)
	}
	m.checkServed()
	m.checkGuarantee()
	if why := m.starving(); why != "" { // of a moment only?
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if why = m.starving(); why != "" {
			m.report("step %d: %s: %+v %+v", m.step, why, m.stat(), m.Stats())
		}
	}
}

// checkServed looks at who was served in this step.
func (m *model) checkServed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.served {
		holding := 0
		for i := range m.clients {
			other := &m.clients[i]
			if other.tenant != c.tenant || other.pool != c.pool {
				continue
			}
			if other.conn != nil && !other.conn.Conn().IsClosed() {
				holding++
			}
			if other.state == "waiting" && other.ticket < c.ticket && !m.Rough {
				m.wrong = append(m.wrong, "a caller of "+c.tenant+" was passed over")
			}
		}
		if holding > c.max {
			m.wrong = append(m.wrong, c.tenant+" has more connections than it may")
		}
	}
}

// checkGuarantee sees that nobody took the last connection of t00.
func (m *model) checkGuarantee() {
	is, was := m.guaranteed(), m.was
	if is.robbed == was.robbed || is.closed != was.closed || is.number != was.number || is.draining || was.draining {
		return
	}
	for _, p := range m.Stats() {
		if p.Tenant == id("t00") && p.Idle+p.Acquired+p.Opening == 0 {
			m.report("step %d: the last connection of t00 was taken, it is guaranteed", m.step)
		}
	}
}

// starving says who waits although there is something to be had.
func (m *model) starving() string {
	s := m.stat()
	if s.Opening > 0 || s.Closing > 0 || m.isTroubled() || m.stopped || m.holding {
		return ""
	}
	if s.Waiting > 0 && (s.InUse < s.Budget || s.Spares > 0) {
		return "somebody waits, and the budget has room"
	}
	for _, p := range m.Stats() {
		held := p.Idle + p.Acquired + p.Opening
		switch {
		case p.Waiting > 0 && p.Idle > 0:
			return "somebody waits, and a connection of the tenant's rests"
		case p.Waiting > 0 && held < p.Max && s.Waiting == 0 && p.State == pools.StateReady:
			return "somebody waits, and the budget knows nothing of it"
		case s.Waiting > 0 && p.Idle > 0 && held > p.Guaranteed:
			return "somebody waits, and a connection of another's rests"
		}
	}
	return ""
}
