package server

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
	"github.com/poolkeeper/poolkeeper/server/readcache"
)

// Router tells whose request it is. *router.Router is one.
type Router interface {
	Route(req *http.Request) (*router.Visit, error)
}

// Keeper is the set of live pools, as far as the admin API and a stop need it.
// *pools.Keeper is one.
type Keeper interface {
	Pools
	Clusters
	Drain(ctx context.Context) error
	Close(ctx context.Context) error
}

// Pools are the live pools, and what an operator may do with them.
type Pools interface {
	Stats() []pools.Stat
	Evict(id registry.ID) bool
	// TenantOf maps the name that a live pool's sessions have on the server
	// back to its tenant.
	TenantOf(applicationName string) (registry.ID, bool)
	// Limits are those that SetLimits put in force, and SetLimits puts all of
	// them in force; a field that is zero leaves the record's.
	Limits(id registry.ID) registry.Limits
	SetLimits(id registry.ID, l registry.Limits) error
}

// Clusters are the PostgreSQL servers, and what an operator may change there.
type Clusters interface {
	Budgets() []pools.BudgetStat
	// Cluster has the settings that are in force, with no field left to a
	// default, and SetCluster puts them in force.
	Cluster(name string) (registry.Cluster, bool)
	SetCluster(name string, c registry.Cluster) error
}

// Registry lists records, active or not, for the admin API.
// *registry.Registry is one.
type Registry interface {
	Tenant(ctx context.Context, id registry.ID) (*registry.Tenant, error)
	List(ctx context.Context, after registry.ID, limit int) ([]*registry.Tenant, error)
}

// Observer is told of every answered request; it must not block.
// *metrics.Metrics is one.
type Observer interface {
	// HTTP gets the route's pattern ("unmatched" for a path without one), the
	// method ("other" for an unusual one), the status and the time taken. What
	// a tenant's requests come to is pools.Observer's business.
	HTTP(route, method string, status int, took time.Duration)
}

// Deps are the parts that a Server works with.
type Deps struct {
	// Router is mandatory.
	Router Router
	// Keeper is mandatory. Run closes it.
	Keeper Keeper
	// Registry is mandatory.
	Registry Registry
	// Operator does what operators ask for. nil means that there is no control
	// database: then tenants are read from Registry, and changes are refused.
	Operator Operator
	// Open is called by Run once the listeners are bound, and does what has to be
	// done before anybody can be served, such as waiting for a database. Until
	// it has returned nil /readyz says no and what needs the other parts is
	// refused with 503; an error ends Run. It ends soon when ctx does. nil means
	// that everything is there.
	Open func(ctx context.Context) error
	// Doctor checks the configuration against the servers; nil means that
	// POST /v1/doctor is refused.
	Doctor func(ctx context.Context) (adminwire.DoctorReport, error)
	// Warm opens the tenant's pool, takes a connection from it and gives it
	// back; nil means that POST /v1/pools/{id}/warm is refused.
	Warm func(ctx context.Context, id registry.ID) error
	// Flush forgets every answer that is kept for the tenant, in this process
	// and where others share them; nil means that none are, and
	// POST /v1/tenants/{id}/flush is refused.
	Flush func(ctx context.Context, id registry.ID) error
	// Cache keeps answers to reads for tenants and clients that want it; nil
	// means that every answer comes from the database.
	Cache *readcache.Cache
	// Metrics answers GET /metrics on the admin listener; nil means no such
	// route.
	Metrics http.Handler
	// Observer may be nil.
	Observer Observer
	// Log gets a line for every request; nil means silence.
	Log *slog.Logger
	// Version is shown by the admin listener's /livez.
	Version string
	// PathPrefix and Header are the router's: where the path names the tenant,
	// and which header browsers may send from elsewhere. "" means the
	// router's defaults, /t/ and X-Tenant-ID.
	PathPrefix, Header string
}

// Server answers HTTP. Make one with New, then Run it, or mount Handler and
// AdminHandler elsewhere.
type Server struct {
	cfg      Config
	deps     Deps
	log      *slog.Logger
	observer Observer
	acquire  acquireFunc
	data     http.Handler
	admin    http.Handler
	buffers  sync.Pool   // of *bytes.Buffer: answers in the making
	tokens   []token     // of the admin API; none: this machine alone may ask
	dataTLS  *tls.Config // nil: plain HTTP
	adminTLS *tls.Config

	// following ends when the admin listener stops, so that nobody who follows
	// an operation holds it up.
	following     context.Context //nolint:containedctx // it is the server's own, not a request's
	stopFollowing context.CancelFunc

	// changing is held by an operator's change from reading what is in force
	// to putting the new in force, so that none of two at once is lost.
	changing sync.Mutex

	loud     occasions   // of requests that went wrong
	lines    occasions   // of net/http, in words that a peer may choose
	notReady atomic.Bool // set once, when a drain or a stop begins
	started  atomic.Bool
	opening  atomic.Bool   // while Run waits for Deps.Open
	ready    chan struct{} // closed when both listeners are bound and Deps.Open is done
	// Written before ready closes, read after.
	addr, adminAddr string
}

// A session is a connection lent for one request. *pools.Conn is one.
type session interface {
	Conn() *pgx.Conn
	Walled() error
	Discard()
	Release()
}

// An acquireFunc takes a connection from the visit's pool. Tests replace it.
type acquireFunc func(ctx context.Context, v *router.Visit) (session, error)

// New returns a Server that is not running yet. Its error is that of
// cfg.Validate, ErrDeps, or one that names the file of a certificate that
// cannot be used.
func New(cfg Config, d Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	if d.Router == nil || d.Keeper == nil || d.Registry == nil {
		return nil, fmt.Errorf("%w: router, keeper and registry are needed", ErrDeps)
	}
	s := build(cfg, d)
	if err := s.secured(); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	if !cfg.AdminTokens.IsZero() {
		tokens, err := parseTokens(cfg.AdminTokens.Reveal())
		if err != nil { // unreachable: Validate parsed them
			return nil, err
		}
		s.tokens = tokens
	}
	s.data = paced(cfg.WriteTimeout, s.dataRoutes())
	s.admin = paced(cfg.WriteTimeout, s.adminRoutes())
	return s, nil
}

// build returns a Server without routes.
func build(cfg Config, d Deps) *Server {
	s := &Server{cfg: cfg, deps: d, log: d.Log, observer: d.Observer, acquire: acquire, ready: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.observer == nil {
		s.observer = unobserved{}
	}
	defaults := router.Defaults()
	s.deps.PathPrefix = cmp.Or(d.PathPrefix, defaults.PathPrefix)
	s.deps.Header = cmp.Or(d.Header, defaults.Header)
	s.buffers.New = func() any { return new(bytes.Buffer) }
	// It ends with the admin listener, whose requests have contexts of their own.
	following, stop := context.WithCancel(context.Background())
	s.following, s.stopFollowing = following, stop
	return s
}

// Handler answers what the data listener does.
func (s *Server) Handler() http.Handler { return s.data }

// AdminHandler answers what the admin listener does. Without admin tokens it
// refuses peers that are not on this machine.
func (s *Server) AdminHandler() http.Handler { return s.admin }

// Ready is closed when Run serves: it has bound its listeners, and Deps.Open has
// done its work.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Addr is the data listener's address once Ready is closed.
func (s *Server) Addr() string { return s.addr }

// AdminAddr is the admin listener's address once Ready is closed, "" without
// one.
func (s *Server) AdminAddr() string { return s.adminAddr }

//nolint:iface // it is an acquireFunc: tests lend something else
func acquire(ctx context.Context, v *router.Visit) (session, error) {
	lease, err := v.Lease(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := lease.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

type unobserved struct{}

func (unobserved) HTTP(string, string, int, time.Duration) {}
