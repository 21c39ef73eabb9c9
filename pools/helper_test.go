package pools_test

import (
	"context"
	"errors"
	"sync"
	"testing"
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

// watcher is an Observer that counts.
type watcher struct {
	mu      sync.Mutex
	counts  map[string]int
	refused []error
}

func (w *watcher) add(keys ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts == nil {
		w.counts = map[string]int{}
	}
	for _, key := range keys {
		w.counts[key]++
	}
}

func (w *watcher) count(key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[key]
}

func (w *watcher) Leased(_ registry.ID, _, outcome string, err error) {
	w.add("lease " + outcome)
	if err != nil {
		w.mu.Lock()
		w.refused = append(w.refused, err)
		w.mu.Unlock()
	}
}

func (w *watcher) PoolChanged(_ registry.ID, _ string, reason pools.Reason) {
	if reason == "" {
		reason = "published"
	}
	w.add("pool " + string(reason))
}

func (w *watcher) ConnChanged(_ registry.ID, _, event, detail string) {
	w.add(event, event+" "+detail)
}

func (w *watcher) Acquired(_ registry.ID, _, start string, _ time.Duration, err error) {
	if err != nil {
		start = "failed"
	}
	w.add("acquire " + start)
}

func mustBe(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want %v", err, want)
	}
}
