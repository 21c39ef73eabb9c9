package pools_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// model is what should be so.
type model struct {
	*world
	t *testing.T
	settings
	budget, spares int
	step           int
	holding        bool      // lookups wait, and with them changes of limits
	stopped        bool      // the server was, at some time
	lost           uint32    // sessions up to this one ended with it
	troubled       time.Time // when something was broken last
	broken         map[string]bool
	pools          map[string]poolModel
	allowed        int // sockets, during this step
	was            snapshot

	mu      sync.Mutex // guards what follows, and the clients' fields
	wrong   []string
	clients []client
	served  []client // in this step
}

// poolModel is what is known of a tenant's pools.
type poolModel struct {
	number  int       // of the one that is live, or comes next
	retired time.Time // when the one before was
	version uint64    // of the record that the live one must have at least
}

// snapshot is how things were before the step.
type snapshot struct {
	robbed, closed int // connections of t00
	draining       bool
	number         int
}

// client is somebody who leases, waits and holds.
type client struct {
	tenant    string
	pool      int // which of the tenant's
	state     string
	cancel    context.CancelFunc // of what is under way
	cancelled bool
	lease     *pools.Lease
	conn      *pools.Conn
	began     time.Time
	ticket    int // the step in which it began to wait
	max       int // the tenant's maximum, the greatest while it waited
	strayed   bool
}

// trouble notes that something is about to be broken.
func (m *model) trouble() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.troubled = time.Now()
}

func (m *model) retired(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.pools[name]
	p.number++
	p.retired, p.version = time.Now(), m.record(name).Version
	m.pools[name] = p
}

func (m *model) record(name string) *registry.Tenant {
	m.records.mu.Lock()
	defer m.records.mu.Unlock()
	return m.records.all[id(name)]
}

func (m *model) suspended(name string) bool { return !m.record(name).Active() }

// maxOf is the tenant's maximum, or a greater one that was in force lately.
func (m *model) maxOf(name string) int {
	if m.holding { // which changes are in force is not known
		return 7
	}
	most := max(modelMax, m.record(name).Limits.MaxConns, m.Limits(id(name)).MaxConns)
	for _, s := range m.Stats() {
		if s.Tenant == id(name) {
			most = max(most, s.Max)
		}
	}
	if most == modelMax && m.record(name).Limits.MaxConns == 1 && m.Limits(id(name)).MaxConns == 1 {
		return 1
	}
	return most
}

// raise notes that a tenant's maximum is about to change.
func (m *model) raise(name string, to int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.clients {
		if c := &m.clients[i]; c.tenant == name {
			c.max = max(c.max, modelMax, to, m.record(name).Limits.MaxConns)
		}
	}
}
