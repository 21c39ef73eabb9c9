package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// records are a registry in memory. err, when set, is every answer.
type records struct {
	all []*registry.Tenant
	err error
}

func (r *records) Tenant(ctx context.Context, id registry.ID) (*registry.Tenant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.err != nil {
		return nil, r.err
	}
	for _, t := range r.all {
		if t.ID == id && !t.Active() {
			return nil, registry.ErrInactive
		} else if t.ID == id {
			return t, nil
		}
	}
	return nil, registry.ErrUnknown
}

func (r *records) List(_ context.Context, after registry.ID, limit int) ([]*registry.Tenant, error) {
	if r.err != nil {
		return nil, r.err
	}
	all := slices.DeleteFunc(slices.Clone(r.all), func(t *registry.Tenant) bool { return t.ID.String() <= after.String() })
	slices.SortFunc(all, func(a, b *registry.Tenant) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return all[:min(limit, len(all))], nil
}

func demoRecords() *records {
	tenant := func(id string, change func(*registry.Tenant)) *registry.Tenant {
		t := &registry.Tenant{
			ID: registry.MustParseID(id), Name: id, Status: registry.StatusActive, Cluster: "main",
			Isolation: registry.IsolationSchema, Schema: id, Login: id, Password: registry.NewSecret("pw-" + id), Version: 1,
		}
		change(t)
		return t
	}
	return &records{all: []*registry.Tenant{
		tenant("acme", func(*registry.Tenant) {}),
		tenant("hooli", func(t *registry.Tenant) { t.Status = registry.StatusSuspended }),
		tenant("initech", func(t *registry.Tenant) { t.Isolation, t.SharedLogin = registry.IsolationRow, true }),
		tenant("shared", func(t *registry.Tenant) { t.SharedLogin = true }),
		tenant("quick", func(t *registry.Tenant) { t.Limits.StatementTimeout = 50 * time.Millisecond }),
	}}
}

// noPools is what the router leases from; the harness replaces it further up.
type noPools struct{}

func (noPools) Lease(context.Context, registry.ID) (*pools.Lease, error) {
	return nil, errors.New("the harness leases nothing")
}

// observed remembers what the server's Observer was told.
type observed struct {
	mu   sync.Mutex
	seen []observation
}

type observation struct {
	route, method string
	status        int
}

func (o *observed) HTTP(route, method string, status int, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, observation{route, method, status})
}

func (o *observed) last() observation {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.seen) == 0 {
		return observation{}
	}
	return o.seen[len(o.seen)-1]
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// harness is a server on a fake PostgreSQL.
type harness struct {
	cfg      server.Config
	records  *records
	keeper   *fakeKeeper
	observed *observed
	log      *syncBuffer
	metrics  http.Handler
	operator *fakeOperator // nil: no control database
	doctor   func(context.Context) (adminwire.DoctorReport, error)
	warm     func(context.Context, registry.ID) error
	flush    func(context.Context, registry.ID) error
	open     func(context.Context) error
	// routes, when set, changes how requests find their tenant.
	routes func(*router.Config, *router.Deps)
	// acquireErr, when set, is why there is no connection.
	acquireErr error
	// walled is what every connection says of its wall.
	walled error

	mu       sync.Mutex
	sessions []*fakeSession
	server   *server.Server
}

// newHarness starts nothing: use its server's handlers, or serve.
func newHarness(t testing.TB, change ...func(*harness)) *harness {
	t.Helper()
	h := &harness{cfg: server.Defaults(), records: demoRecords(), keeper: &fakeKeeper{}, observed: &observed{}, log: &syncBuffer{}}
	h.cfg.Listen, h.cfg.AdminListen = "127.0.0.1:0", "127.0.0.1:0"
	for _, fn := range change {
		fn(h)
	}
	routes := router.Defaults()
	routes.Resolvers, routes.Dev, routes.ProbeRate = []string{"path", "neon", "header"}, true, 0
	parts := router.Deps{Tenants: h.records, Pools: noPools{}}
	if h.routes != nil {
		h.routes(&routes, &parts)
	}
	rt, err := router.New(routes, parts)
	if err != nil {
		t.Fatal(err)
	}
	deps := server.Deps{
		Router: rt, Keeper: h.keeper, Registry: h.records, Metrics: h.metrics, Observer: h.observed, Version: "v1.2.3",
		Log: slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Doctor: h.doctor, Warm: h.warm, Flush: h.flush, Open: h.open,
		PathPrefix: routes.PathPrefix, Header: routes.Header,
	}
	if h.operator != nil {
		deps.Operator = h.operator
		t.Cleanup(h.operator.end)
	}
	h.server, err = server.New(h.cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	h.server.SetAcquire(func(ctx context.Context, _ *router.Visit) (server.Session, error) { return h.lend(ctx) })
	t.Cleanup(h.forget)
	return h
}

func (h *harness) lend(ctx context.Context) (server.Session, error) {
	if h.acquireErr != nil {
		return nil, h.acquireErr
	}
	f, err := newFakeSession(ctx)
	if err != nil {
		return nil, err
	}
	f.walled = h.walled
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions = append(h.sessions, f)
	return f, nil
}

// session returns the only connection that was lent.
func (h *harness) session(t testing.TB) *fakeSession {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.sessions) != 1 {
		t.Fatalf("%d connections were lent, want 1", len(h.sessions))
	}
	return h.sessions[0]
}

func (h *harness) lent() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sessions)
}

// serve runs the server until the test ends, or the returned function is
// called, which gives Run's result.
func (h *harness) serve(t testing.TB) (url, adminURL string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.server.Run(ctx) }()
	select {
	case <-h.server.Ready():
	case err := <-done:
		cancel()
		t.Fatalf("the server did not start: %v", err)
	}
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = stop() })
	return "http://" + h.server.Addr(), "http://" + h.server.AdminAddr(), stop
}

const neon = "postgresql://me%40home:s3cret-password@acme.db.example.com/appdb?sslmode=require"

// forget closes the connections that were lent.
func (h *harness) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.sessions {
		f.end()
	}
	h.sessions = nil
}

func readCloser(s string) io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }
