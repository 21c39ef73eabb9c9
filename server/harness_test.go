package server_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
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

// fakeKeeper counts what a stop and the admin API do with it.
type fakeKeeper struct {
	mu      sync.Mutex
	stats   []pools.Stat
	calls   []string
	onDrain func(ctx context.Context) error
	onClose func(ctx context.Context) error

	// What the admin API may change. setErr, when set, is why not.
	clusters map[string]registry.Cluster
	limits   map[registry.ID]registry.Limits
	setErr   error
	// onSettings, when set, is called with read or set before either is done.
	onSettings func(what string)
}

func (k *fakeKeeper) settings(what string) {
	if k.onSettings != nil {
		k.onSettings(what)
	}
}

func (k *fakeKeeper) note(call string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls = append(k.calls, call)
}

func (k *fakeKeeper) called() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.calls)
}

func (k *fakeKeeper) Stats() []pools.Stat { return slices.Clone(k.stats) }

func (k *fakeKeeper) Evict(id registry.ID) bool {
	k.note("evict " + id.String())
	return slices.ContainsFunc(k.stats, func(s pools.Stat) bool { return s.Tenant == id })
}

// TenantOf knows every live pool by "pk-" and its tenant.
func (k *fakeKeeper) TenantOf(applicationName string) (registry.ID, bool) {
	for _, s := range k.stats {
		if applicationName == "pk-"+s.Tenant.String() {
			return s.Tenant, true
		}
	}
	return registry.ID{}, false
}

func (k *fakeKeeper) Limits(id registry.ID) registry.Limits {
	k.settings("read")
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.limits[id]
}

func (k *fakeKeeper) SetLimits(id registry.ID, l registry.Limits) error {
	k.settings("set")
	k.note("set limits of " + id.String())
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.setErr != nil {
		return k.setErr
	}
	if k.limits == nil {
		k.limits = map[registry.ID]registry.Limits{}
	}
	k.limits[id] = l
	return nil
}

// Budgets derives 17 where the settings leave it open.
func (k *fakeKeeper) Budgets() []pools.BudgetStat {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []pools.BudgetStat
	for _, name := range slices.Sorted(maps.Keys(k.clusters)) {
		budget := k.clusters[name].Budget
		all = append(all, pools.BudgetStat{Cluster: name, Budget: cmp.Or(budget, 17), Derived: budget == 0, InUse: 9, Idle: 4, Waiting: 2, ReopenedSoon: 3})
	}
	return all
}

func (k *fakeKeeper) Cluster(name string) (registry.Cluster, bool) {
	k.settings("read")
	k.mu.Lock()
	defer k.mu.Unlock()
	c, known := k.clusters[name]
	return c, known
}

func (k *fakeKeeper) SetCluster(name string, c registry.Cluster) error {
	k.settings("set")
	k.note("set cluster " + name)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.setErr != nil {
		return k.setErr
	}
	k.clusters[name] = c
	return nil
}

func (k *fakeKeeper) Drain(ctx context.Context) error {
	k.note("drain")
	if k.onDrain != nil {
		return k.onDrain(ctx)
	}
	return nil
}

func (k *fakeKeeper) Close(ctx context.Context) error {
	k.note("close")
	if k.onClose != nil {
		return k.onClose(ctx)
	}
	return nil
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
		Log: slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Doctor: h.doctor, Warm: h.warm, Flush: h.flush,
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

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) object(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("the body is no JSON object: %v\n%s", err, r.body)
	}
	return v
}

// post sends body to path; headers alternate names and values.
func (h *harness) post(t testing.TB, path, body string, headers ...string) reply {
	t.Helper()
	return h.hold(t, http.MethodPost, path, send(t, h.server.Handler(), http.MethodPost, path, strings.NewReader(body), headers...))
}

func (h *harness) get(t testing.TB, path string, headers ...string) reply {
	t.Helper()
	return h.hold(t, http.MethodGet, path, send(t, h.server.Handler(), http.MethodGet, path, nil, headers...))
}

// hold holds an answer of the data API to its document.
func (h *harness) hold(t testing.TB, method, path string, r reply) reply {
	t.Helper()
	if !h.cfg.SQL.Enabled {
		return r // there is no such API
	}
	return holdData(t, method, path, r)
}

// change sends a PATCH to the admin handler.
func (h *harness) change(t testing.TB, path, body string, headers ...string) reply {
	t.Helper()
	return send(t, h.server.AdminHandler(), http.MethodPatch, path, strings.NewReader(body), headers...)
}

// admin asks the admin handler as a program on this machine does.
func (h *harness) admin(t testing.TB, method, path string, headers ...string) reply {
	t.Helper()
	return send(t, h.server.AdminHandler(), method, path, nil, headers...)
}

func send(t testing.TB, handler http.Handler, method, path string, body io.Reader, headers ...string) reply {
	t.Helper()
	return sendFrom(t, "127.0.0.1:40000", handler, method, path, body, headers...)
}

// sendFrom sends as a peer does; what the admin API answers is held to its
// document.
func sendFrom(t testing.TB, peer string, handler http.Handler, method, path string, body io.Reader, headers ...string) reply {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, path, body)
	req.RemoteAddr, req.Host = peer, "localhost:8081"
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, req)
	r := reply{w.Code, w.Result().Header, w.Body.String()}
	if strings.HasPrefix(path, "/v1/") {
		hold(t, method, path, r)
	}
	return r
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
