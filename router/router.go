package router

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Tenants is where the records are; *registry.Registry is one.
type Tenants interface {
	// Tenant returns the record of an active tenant. Errors as
	// registry.Registry.Tenant documents them.
	Tenant(ctx context.Context, id registry.ID) (*registry.Tenant, error)
}

// Pools is where the leases come from; *pools.Keeper is one.
type Pools interface {
	// Lease pins the tenant's pool. Errors as pools.Keeper.Lease documents
	// them.
	Lease(ctx context.Context, id registry.ID) (*pools.Lease, error)
}

// Observer is told how requests were resolved. Its methods are called on the
// request's path and must not block. *metrics.Metrics is one.
type Observer interface {
	// Routed is called once per [Router.Route]. The resolver is host, path,
	// neon or header: the first in the order of trust that vouches for the
	// tenant or, with err, the one that refused; or none, when none found a
	// tenant. err is what Route returns.
	Routed(resolver string, err error)
}

// unobserved stands for no observer.
type unobserved struct{}

// Routed does nothing.
func (unobserved) Routed(string, error) {}

// Router finds the tenant of a request and lends its pool. Safe for
// concurrent use.
type Router struct {
	chain    chain
	tenants  Tenants
	pools    Pools
	observer Observer
	// release is (*pools.Lease).Release; tests count with another.
	release func(*pools.Lease)
}

// New returns a Router. cfg is validated; obs may be nil.
func New(cfg Config, tenants Tenants, pool Pools, obs Observer) (*Router, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if tenants == nil || pool == nil {
		return nil, errors.New("router: tenants and pools must be given")
	}
	trusted, err := parseProxies(cfg.Proxies)
	if err != nil {
		return nil, err
	}
	if obs == nil {
		obs = unobserved{}
	}
	return &Router{
		chain:    newChain(cfg, trusted),
		tenants:  tenants,
		pools:    pool,
		observer: obs,
		release:  (*pools.Lease).Release,
	}, nil
}

// Route resolves the request and checks that its tenant is active. It takes no
// lease and no connection. The caller must Close the visit.
//
// Errors: [ErrNoTenant], [ErrRefused] and what matches it, registry.ErrUnknown,
// registry.ErrInactive; registry.ErrUnavailable or the context's when the
// records could not be asked.
func (r *Router) Route(req *http.Request) (*Visit, error) {
	f := r.chain.resolve(req)
	v, err := r.visit(req.Context(), &f)
	r.observer.Routed(f.by(), err)
	return v, err
}

func (r *Router) visit(ctx context.Context, f *finding) (*Visit, error) {
	if f.err != nil {
		return nil, &refusal{by: f.by(), place: f.place, err: f.err}
	}
	tenant, err := r.tenants.Tenant(ctx, f.id)
	if err == nil && !tenant.Active() {
		err = registry.ErrInactive
	}
	if err != nil {
		return nil, lookupError(err, f.by(), f.id, f.place)
	}
	return &Visit{router: r, tenant: tenant, by: f.by(), place: f.place}, nil
}

// lookupError makes a refusal of an error that says that there is no such
// tenant to serve; any other is passed on as it is, with the tenant.
func lookupError(err error, by string, id registry.ID, place bool) error {
	if errors.Is(err, registry.ErrUnknown) || errors.Is(err, registry.ErrInactive) {
		return &refusal{by: by, id: id, place: place, err: err}
	}
	return fmt.Errorf("router: tenant %s: %w", id, err)
}
