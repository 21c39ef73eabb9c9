package router_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The registry of most tests: two tenants to be served, one that is not, and
// one whose record cannot be had.
type records struct{}

func (records) Tenant(ctx context.Context, id registry.ID) (*registry.Tenant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch id.String() {
	case "acme", "globex", "42":
		return &registry.Tenant{ID: id, Status: registry.StatusActive}, nil
	case "hooli":
		return nil, registry.ErrInactive
	case "faraway":
		return nil, registry.ErrUnavailable
	default:
		return nil, registry.ErrUnknown
	}
}

// everybody is a registry in which every id is a tenant's.
type everybody struct{}

func (everybody) Tenant(_ context.Context, id registry.ID) (*registry.Tenant, error) {
	return &registry.Tenant{ID: id, Status: registry.StatusActive}, nil
}

// The lender counts leases and releases. It never touches a lease.
type lender struct {
	// answer decides about the n-th Lease call; nil means that all succeed.
	answer func(ctx context.Context, n int) error

	mu       sync.Mutex
	calls    int
	lent     map[*pools.Lease]string
	released []string
	twice    int
}

func (l *lender) Lease(ctx context.Context, id registry.ID) (*pools.Lease, error) {
	l.mu.Lock()
	l.calls++
	n := l.calls
	l.mu.Unlock()
	if l.answer != nil {
		if err := l.answer(ctx, n); err != nil {
			return nil, err
		}
	}
	lease := new(pools.Lease)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lent == nil {
		l.lent = map[*pools.Lease]string{}
	}
	l.lent[lease] = id.String()
	return lease, nil
}

func (l *lender) release(lease *pools.Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id, found := l.lent[lease]
	if !found {
		l.twice++
		return
	}
	delete(l.lent, lease)
	l.released = append(l.released, id)
}

// expect checks how often the keeper was asked, how many leases came back,
// and that none is still out or came back twice.
func (l *lender) expect(t *testing.T, calls, released int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls != calls || len(l.released) != released || len(l.lent) != 0 || l.twice != 0 {
		t.Errorf("leased %d times, want %d; released %d, want %d; still out %d, want 0; released twice %d, want 0",
			l.calls, calls, len(l.released), released, len(l.lent), l.twice)
	}
}

// The log of an observer.
type log struct {
	mu   sync.Mutex
	by   []string
	errs []error
}

func (l *log) Routed(by string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.by = append(l.by, by)
	l.errs = append(l.errs, err)
}

func (l *log) last(t *testing.T) (string, error) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.by) == 0 {
		t.Fatal("nothing was observed")
	}
	return l.by[len(l.by)-1], l.errs[len(l.errs)-1]
}

// config lists the given resolvers in dev mode, where each suffices.
func config(resolvers ...string) router.Config {
	cfg := router.Defaults()
	cfg.Resolvers = resolvers
	cfg.HostTemplate = "{tenant}.example.com"
	cfg.Dev = true
	return cfg
}

// production is config where host and path are open and 10.0.0.0/8 is a proxy.
func production(resolvers ...string) router.Config {
	cfg := config(resolvers...)
	cfg.Dev = false
	cfg.Proxies = []string{"10.0.0.0/8", "fd00::1"}
	for _, name := range resolvers {
		if name == "host" || name == "path" {
			cfg.Open = append(cfg.Open, name)
		}
	}
	return cfg
}

func newRouter(t testing.TB, cfg router.Config, l *lender, obs router.Observer) *router.Router {
	t.Helper()
	r, err := router.New(cfg, router.Deps{Tenants: records{}, Pools: l, Observer: obs})
	if err != nil {
		t.Fatal(err)
	}
	r.OnRelease(l.release)
	return r
}

const (
	fromProxy  = "10.1.2.3:4711"
	fromClient = "203.0.113.9:4711"
)

// A request, as a case of a table says it. The zero value is
// GET / of a host that is nobody's, sent by a client.
type request struct {
	host   string
	path   string // as sent
	remote string
	header http.Header
}

func (q request) build(t testing.TB) *http.Request {
	t.Helper()
	if q.path == "" {
		q.path = "/"
	}
	target, err := url.ParseRequestURI(q.path)
	if err != nil {
		t.Fatalf("the case's path: %v", err)
	}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	req.URL, req.RequestURI = target, q.path
	req.Host = "elsewhere.test"
	if q.host != "" {
		req.Host = q.host
	}
	req.RemoteAddr = fromClient
	if q.remote != "" {
		req.RemoteAddr = q.remote
	}
	if q.header != nil {
		req.Header = q.header
	}
	return req
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

const (
	tenantID  = "X-Tenant-ID"
	neon      = "Neon-Connection-String"
	forwarded = "X-Forwarded-Host"
)
