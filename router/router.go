package router

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/router/admission"
	"github.com/poolkeeper/poolkeeper/router/token"
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
	// Routed is called once per [Router.Route]. The resolver is key, jwt, host,
	// path, neon or header: the first in the order of trust that vouches for
	// the tenant or, with err, the one that refused; or none, when none found a
	// tenant. err is what Route returns.
	Routed(resolver string, err error)
}

// Keys verifies API keys; *control.Database does.
type Keys interface {
	// Key returns the key that the text is. Errors: those of package apikey;
	// registry.ErrUnavailable when the keys are not known. None holds a byte
	// of the text, but for the public id of a key that exists.
	Key(ctx context.Context, text string) (apikey.Key, error)
}

// Tokens verifies JSON Web Tokens; *token.Verifier does.
type Tokens interface {
	// Verify returns what the token says. Errors: those of package token. None
	// holds a byte of the text.
	Verify(ctx context.Context, text string) (*token.Token, error)
}

// Admission says whether a tenant may make one more request now;
// *admission.Control does.
type Admission interface {
	// Admit lets the request in or returns an *admission.Refusal. The pass is
	// released when the request ends.
	Admit(ctx context.Context, t *registry.Tenant) (*admission.Pass, error)
}

// Deps are what a Router works with.
type Deps struct {
	// Tenants and Pools are mandatory.
	Tenants Tenants
	Pools   Pools
	// Observer may be nil.
	Observer Observer
	// Keys is mandatory when the resolvers list key, and Tokens when they list
	// jwt.
	Keys   Keys
	Tokens Tokens
	// Admission may be nil: then every request is admitted.
	Admission Admission
}

// unobserved stands for no observer.
type unobserved struct{}

// Routed does nothing.
func (unobserved) Routed(string, error) {}

// Router finds the tenant of a request and lends its pool. Safe for
// concurrent use.
type Router struct {
	chain     chain
	probes    *probes // nil: there is no limit
	tenants   Tenants
	pools     Pools
	admission Admission // may be nil
	observer  Observer
	// release is (*pools.Lease).End; tests count with another.
	release func(*pools.Lease)
	// served is (*pools.Lease).Tenant; the leases of tests have none.
	served func(*pools.Lease) *registry.Tenant
}

// New returns a Router. cfg is validated.
func New(cfg Config, d Deps) (*Router, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := d.check(cfg); err != nil {
		return nil, err
	}
	trusted, err := parseProxies(cfg.Proxies)
	if err != nil {
		return nil, err
	}
	limit, err := newProbes(cfg)
	if err != nil {
		return nil, err
	}
	if d.Observer == nil {
		d.Observer = unobserved{}
	}
	return &Router{
		chain:     newChain(cfg, d, trusted),
		probes:    limit,
		tenants:   d.Tenants,
		pools:     d.Pools,
		admission: d.Admission,
		observer:  d.Observer,
		release:   (*pools.Lease).End,
		served:    (*pools.Lease).Tenant,
	}, nil
}

// check expects a valid configuration.
func (d *Deps) check(cfg Config) error {
	switch {
	case d.Tenants == nil || d.Pools == nil:
		return errors.New("router: tenants and pools must be given")
	case d.Keys == nil && slices.Contains(cfg.Resolvers, byKey):
		return errors.New("router.resolvers: lists key, but there are no API keys; they need a control database")
	case d.Tokens == nil && slices.Contains(cfg.Resolvers, byToken):
		return errors.New("router.resolvers: lists jwt, but nothing says whose tokens are believed")
	default:
		return nil
	}
}

// Route resolves the request, checks that its tenant is active and asks
// whether it may make one more request now. It takes no lease and no
// connection. The caller must Close the visit.
//
// Errors: [ErrNoTenant], [ErrRefused] and what matches it, registry.ErrUnknown,
// registry.ErrInactive; [ErrProbing]; token.ErrKeys when tokens cannot be
// verified; those of package admission; registry.ErrUnavailable or the
// context's when keys or records could not be asked.
func (r *Router) Route(req *http.Request) (*Visit, error) {
	f := r.chain.resolve(req)
	v, err := r.guarded(req, &f)
	r.observer.Routed(f.by(), err)
	return v, err
}

// guarded lets nobody look around: who has been refused too often is not
// served, whomever the request names, before anything is looked up. Only a
// verified credential helps, because whoever has one may have the same address
// as somebody who has none. See also faceless.
//
// Requests that are on their way at the same time are counted when they are
// refused: as many more than the limit may be looked up.
func (r *Router) guarded(req *http.Request, f *finding) (*Visit, error) {
	if r.probes == nil || f.proven() || r.chain.faceless(f) {
		return r.visit(req.Context(), f)
	}
	site := r.chain.proxies.site(req)
	if !site.IsValid() {
		return r.visit(req.Context(), f)
	}
	if err := r.probes.check(site); err != nil {
		return nil, err
	}
	v, err := r.visit(req.Context(), f)
	if err != nil && isProbe(err) {
		r.probes.count(site)
	}
	return v, err
}

func (r *Router) visit(ctx context.Context, f *finding) (*Visit, error) {
	if f.err != nil {
		return nil, f.refusal()
	}
	tenant, err := r.tenants.Tenant(ctx, f.id)
	if err == nil && !tenant.Active() {
		err = registry.ErrInactive
	}
	if err != nil {
		return nil, lookupError(err, f.by(), f.id, f.place)
	}
	if err := f.grant.suits(tenant); err != nil {
		return nil, &refusal{by: f.by(), id: f.id, place: f.place, err: err}
	}
	v := &Visit{router: r, tenant: tenant, by: f.by(), place: f.place, grant: f.grant}
	if r.admission != nil {
		if v.pass, err = r.admission.Admit(ctx, tenant); err != nil {
			return nil, &LimitError{Tenant: tenant.ID, KeyID: v.KeyID(), Err: err}
		}
	}
	return v, nil
}

// lookupError makes a refusal of an error that says that there is no such
// tenant to serve; any other is passed on as it is, with the tenant.
func lookupError(err error, by string, id registry.ID, place bool) error {
	if errors.Is(err, registry.ErrUnknown) || errors.Is(err, registry.ErrInactive) {
		return &refusal{by: by, id: id, place: place, err: err}
	}
	return fmt.Errorf("router: tenant %s: %w", id, err)
}
