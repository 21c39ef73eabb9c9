package pools_test

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestTheKeeperAgreesWithItsModelUnderRandomActions(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"rapid.checks": strconv.FormatUint(12*seeds(t), 10), "rapid.nofailfile": "true", "rapid.shrinktime": "5s",
	} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		settings := drawSettings(rt)
		actions := drawActions(rt)
		var wrong []string
		synctest.Test(t, func(t *testing.T) { wrong = play(t, settings, actions) })
		for _, line := range wrong {
			rt.Error(line)
		}
	})
}

// play runs the actions, and says what was wrong.
func play(t *testing.T, s settings, actions []action) []string {
	t.Helper()
	m := newModel(t, s)
	for _, a := range actions {
		if roughKinds[a.Kind] && !s.Rough {
			continue
		}
		m.before(a)
		m.act(a)
		synctest.Wait()
		m.settled()
		if len(m.wrong) > 0 {
			break
		}
	}
	m.finish()
	return m.wrong
}

func newModel(t *testing.T, s settings) *model {
	t.Helper()
	fake := poolstest.New(s.Version)
	fake.OpenGate("gate")
	w := newTightWorld(t, s.Budget, func(c *pools.Config) {
		c.Dial, c.Handoff = fake.Dial, s.Handoff
		c.MaxConns, c.Queue, c.QueueTimeout = modelMax, 100, 20*time.Second
		c.OpenTimeout, c.IdleAfter = time.Hour, time.Minute
		onMain(c, func(main *registry.Cluster) {
			if main.Spares = min(s.Spares, s.Budget-1); s.Gate {
				main.SpareDSN = registry.NewSecret("postgres://gate:pw@127.0.0.1:5432/app?sslmode=disable")
			}
		})
	})
	w.server = fake
	m := &model{
		world: w, t: t, settings: s, budget: s.Budget, spares: min(s.Spares, s.Budget-1),
		clients: make([]client, modelClients), broken: map[string]bool{}, pools: map[string]poolModel{},
	}
	m.prepare()
	synctest.Wait()
	return m
}

// prepare makes the tenants: some of one login, one of them isolated by rows,
// one guaranteed a connection, two with logins of their own, one with a
// database of its own.
func (m *model) prepare() {
	for i, name := range names(modelTenants) {
		m.edit(name, func(t *registry.Tenant) {
			switch i {
			case 0:
				t.Limits.GuaranteedConns = 1
			case 3:
				t.Isolation = registry.IsolationRow
			case 4, 5:
				t.Login, t.SharedLogin, t.Password = name, false, registry.NewSecret("pw")
			case 6:
				t.Isolation, t.Database = registry.IsolationDatabase, "d06"
			}
		})
		m.server.Script("check "+name, func(s *poolstest.Session) error {
			m.checkSession(name, s)
			return nil
		})
	}
	m.server.Script("hang", poolstest.Hang)
}

// act does one action. What may take time is done by the client.
func (m *model) act(a action) {
	c, name := &m.clients[a.Client], names(modelTenants)[a.Tenant]
	switch a.Kind {
	case "acquire":
		m.acquire(c, name)
	case "release":
		m.release(c)
	case "statement":
		m.statement(c, "check "+c.tenant)
	case "vandal":
		m.statement(c, []string{"DISCARD ALL", "SET search_path TO t01", "BEGIN", "RESET ALL"}[a.N%4])
	case "hang":
		m.statement(c, "hang")
	case "cancel":
		if c.cancel != nil {
			c.cancelled = true
			c.cancel()
		}
	case "sleep":
		time.Sleep([]time.Duration{
			time.Millisecond, 20 * time.Millisecond, time.Second, 2 * time.Second,
			5 * time.Second, 10 * time.Second, 31 * time.Second, 2 * time.Minute,
		}[a.N])
	default:
		m.meddle(a, name)
	}
}

// meddle does to tenants and to the server what no client does.
func (m *model) meddle(a action, name string) {
	switch a.Kind {
	case "evict":
		m.Evict(id(name))
		m.retired(name)
	case "change":
		m.edit(name, func(*registry.Tenant) {})
		m.Apply(registry.Change{ID: id(name), Kind: registry.Changed})
		m.retired(name)
	case "relimit":
		m.raise(name, a.N%4)
		m.edit(name, func(t *registry.Tenant) { t.Limits.MaxConns = a.N % 4 })
		m.Apply(registry.Change{ID: id(name), Kind: registry.LimitsChanged})
	case "limit":
		m.raise(name, a.N%4)
		m.must(m.SetLimits(id(name), registry.Limits{MaxConns: a.N % 4}))
	case "suspend":
		m.suspend(name)
	case "cluster":
		m.budget, m.spares = a.N+1, min(a.Client%3, a.N)
		m.must(m.SetCluster("main", registry.Cluster{Budget: m.budget, Spares: m.spares}))
	case "stop":
		m.trouble()
		m.server.Stop()
		time.Sleep(time.Duration(a.N) * 100 * time.Millisecond)
		m.server.Resume()
	case "slow":
		m.slow(time.Duration(a.N%3) * 30 * time.Millisecond)
	case "misspin":
		m.misspin(name, a.N%2 == 0)
	case "lie":
		m.server.LosePinsAfterDiscard(a.N%2 == 0)
	case "hold":
		m.holdLookups(a.N%2 == 0)
	}
}

// suspend suspends an active tenant, and lets a suspended one in again.
func (m *model) suspend(name string) {
	status, kind := registry.StatusSuspended, registry.Suspended
	if m.suspended(name) {
		status, kind = registry.StatusActive, registry.Changed
	}
	m.edit(name, func(t *registry.Tenant) { t.Status = status })
	m.Apply(registry.Change{ID: id(name), Kind: kind})
	m.retired(name)
}

func (m *model) slow(by time.Duration) {
	if m.server.OnStart(nil); by > 0 {
		m.server.OnStart(func(*poolstest.Session) error { time.Sleep(by); return nil })
	}
	if m.server.OnEnd(nil); by > 0 {
		m.server.OnEnd(func(*poolstest.Session) { time.Sleep(by / 2) })
	}
}

func (m *model) misspin(name string, broken bool) {
	m.trouble()
	sql := `SET search_path TO "` + name + `"`
	m.server.Script(sql, nil)
	if broken {
		m.server.Script(sql, func(*poolstest.Session) error { return poolstest.Fail("3F000", "no schema") })
	}
	m.broken[name] = broken
}

func (m *model) holdLookups(on bool) {
	m.records.mu.Lock()
	defer m.records.mu.Unlock()
	m.holding = on
	switch {
	case on && m.records.hold == nil:
		m.records.hold = make(chan struct{})
	case !on && m.records.hold != nil:
		close(m.records.hold)
		m.records.hold = nil
	}
}

// finish gives everything back and closes the keeper.
func (m *model) finish() {
	m.holdLookups(false)
	m.cancelAll()
	synctest.Wait()
	time.Sleep(5 * time.Second)
	synctest.Wait()
	for i := range m.clients {
		m.release(&m.clients[i])
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := m.Close(ctx); err != nil {
		m.report("close: %v", err)
	}
	synctest.Wait()
	if s := m.stat(); s.InUse != 0 || s.Waiting != 0 || m.server.Open() != 0 || len(m.Stats()) != 0 {
		m.report("at the end: %+v, %d sessions, %d pools", s, m.server.Open(), len(m.Stats()))
	}
}

func (m *model) cancelAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.clients {
		if c := &m.clients[i]; c.cancel != nil {
			c.cancelled = true
			c.cancel()
		}
	}
}

func (m *model) report(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wrong = append(m.wrong, fmt.Sprintf(format, args...))
}

func (m *model) must(err error) {
	if err != nil {
		m.report("%v", err)
	}
}
