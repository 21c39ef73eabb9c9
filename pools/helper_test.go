package pools_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

// records is a Tenants that a test edits.
type records struct {
	mu      sync.Mutex
	all     map[registry.ID]*registry.Tenant
	err     error
	lookups int
	hold    chan struct{} // when not nil, a lookup waits for it
}

func (r *records) Tenant(ctx context.Context, id registry.ID) (*registry.Tenant, error) {
	r.mu.Lock()
	r.lookups++
	hold, err, t := r.hold, r.err, r.all[id]
	r.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case t == nil:
		return nil, registry.ErrUnknown
	case !t.Active():
		return nil, registry.ErrInactive
	}
	return t, nil
}

func (r *records) put(t *registry.Tenant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[t.ID] = t
}

// world is a keeper on a fake server.
type world struct {
	*pools.Keeper
	server  *poolstest.Server
	records *records
	seen    *watcher
}

func id(name string) registry.ID { return registry.MustParseID(name) }

func tenant(name string) *registry.Tenant {
	return &registry.Tenant{
		ID: id(name), Status: registry.StatusActive, Cluster: "main", Version: 1,
		Isolation: registry.IsolationSchema, Schema: name, Login: name,
	}
}

// newWorld starts a keeper with tenants t00, t01 …; edit changes its Config.
// The test closes it with end before a synctest bubble ends.
func newWorld(t *testing.T, version int, edit func(*pools.Config)) *world {
	t.Helper()
	w := &world{server: poolstest.New(version), records: &records{all: map[registry.ID]*registry.Tenant{}}, seen: &watcher{}}
	for _, name := range names(100) {
		w.records.put(tenant(name))
	}
	cfg := pools.Defaults()
	cfg.Clusters = map[string]registry.Cluster{
		"main": {DSN: registry.NewSecret("postgres://shared:pw@127.0.0.1:5432/app?sslmode=disable"), Budget: 200},
	}
	cfg.Dial = w.server.Dial
	if edit != nil {
		edit(&cfg)
	}
	k, err := pools.New(cfg, w.records, w.seen)
	if err != nil {
		t.Fatal(err)
	}
	w.Keeper = k
	return w
}

func names(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = "t" + string(rune('0'+i/10)) + string(rune('0'+i%10))
	}
	return list
}

// end closes the keeper, which must leave nothing.
func (w *world) end(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := w.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
	if n := len(w.Stats()); n != 0 {
		t.Errorf("%d pools are left after Close", n)
	}
}

func (w *world) lease(t *testing.T, name string) *pools.Lease {
	t.Helper()
	l, err := w.Lease(t.Context(), id(name))
	if err != nil {
		t.Fatalf("lease %s: %v", name, err)
	}
	return l
}

// run leases name, runs sql on a connection, and gives both back.
func (w *world) run(t *testing.T, name, sql string) error {
	t.Helper()
	l, err := w.Lease(t.Context(), id(name))
	if err != nil {
		return err
	}
	defer l.Release()
	c, err := l.Acquire(t.Context())
	if err != nil {
		return err
	}
	defer c.Release()
	_, err = c.Conn().PgConn().Exec(t.Context(), sql).ReadAll()
	return err
}

// take acquires n connections at once.
func take(t *testing.T, l *pools.Lease, n int) []*pools.Conn {
	t.Helper()
	held := make([]*pools.Conn, n)
	for i := range held {
		var err error
		if held[i], err = l.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return held
}

func (w *world) live() int {
	n := 0
	for _, s := range w.Stats() {
		if s.State == pools.StateReady {
			n++
		}
	}
	return n
}

func mustBe(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want %v", err, want)
	}
}

// onMain changes the settings of the cluster that all tenants are on.
func onMain(c *pools.Config, edit func(*registry.Cluster)) {
	main := c.Clusters["main"]
	edit(&main)
	c.Clusters["main"] = main
}

// newTightWorld is a newWorld with a small budget, in which tenants share a
// login and so hand connections to one another.
func newTightWorld(t *testing.T, budget int, edit func(*pools.Config)) *world {
	t.Helper()
	w := newWorld(t, 15, func(c *pools.Config) {
		onMain(c, func(main *registry.Cluster) { main.Budget = budget })
		if edit != nil {
			edit(c)
		}
	})
	for _, name := range names(100) {
		w.edit(name, func(t *registry.Tenant) { t.Login, t.SharedLogin = "", true })
	}
	return w
}

// edit changes a tenant's record, of which nobody is told.
func (w *world) edit(name string, change func(*registry.Tenant)) {
	w.records.mu.Lock()
	defer w.records.mu.Unlock()
	next := *w.records.all[id(name)]
	next.Version++
	change(&next)
	w.records.all[id(name)] = &next
}

// stat is the budget of the cluster that all tenants are on.
func (w *world) stat() pools.BudgetStat {
	for _, s := range w.Budgets() {
		if s.Cluster == "main" {
			return s
		}
	}
	return pools.BudgetStat{}
}

// endWithin closes the keeper: nothing may be left, and the server must never
// have seen more sockets at once than the budget.
func (w *world) endWithin(t *testing.T, budget int) {
	t.Helper()
	w.end(t)
	synctest.Wait()
	if s := w.stat(); s.InUse != 0 || s.Waiting != 0 || s.Opening != 0 || s.Closing != 0 || s.Idle != 0 {
		t.Errorf("after Close the budget says %+v", s)
	}
	if n := w.server.Open(); n != 0 {
		t.Errorf("%d sessions are left on the server", n)
	}
	w.seen.mustBalance(t)
	if n := w.server.Peak(); n > budget {
		t.Errorf("the server saw %d sockets at once, the budget is %d", n, budget)
	}
}

// hold leases name and takes a connection, until give gives both back.
func (w *world) hold(t *testing.T, name string) (c *pools.Conn, give func()) {
	t.Helper()
	l := w.lease(t, name)
	c = take(t, l, 1)[0]
	return c, func() {
		c.Release()
		l.Release()
	}
}

// start runs fn on its own and returns when it has ended or waits.
func start(fn func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	synctest.Wait()
	return done
}

// use runs a statement of each tenant's, one after the other.
func (w *world) use(t *testing.T, tenants ...string) {
	t.Helper()
	for _, name := range tenants {
		if err := w.run(t, name, "select 1"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	synctest.Wait()
}

// mustHave compares how many connections each tenant has.
func (w *world) mustHave(t *testing.T, want map[string]int) {
	t.Helper()
	got := map[string]int{}
	for _, s := range w.Stats() {
		got[s.Tenant.String()] += s.Idle + s.Acquired + s.Opening
	}
	for name, n := range want {
		if got[name] != n {
			t.Errorf("%s has %d connections, want %d (%v)", name, got[name], n, got)
		}
	}
}
