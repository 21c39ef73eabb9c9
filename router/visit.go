package router

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission"
)

// Visit is one request's tenant. Its lease is taken when it is first asked
// for and given back by Close. Safe for concurrent use.
type Visit struct {
	// Set by Route, never changed.
	router *Router
	tenant *registry.Tenant
	by     string
	place  bool
	grant  grant
	pass   *admission.Pass // nil when everything is admitted

	// mu guards what follows. It is never held while leasing or releasing.
	mu      sync.Mutex
	lease   *pools.Lease
	closed  bool
	leasing bool     // a Lease call is at the keeper
	attempt *attempt // of those who wait for that call; nil while nobody does
}

// An attempt is a call to the keeper that others wait for.
type attempt struct {
	done chan struct{}
	// err is written before done closes and never after. It is nil when the
	// call gave a lease, and also when it failed by its caller's own context,
	// which is no reason for the others to fail: they try again.
	err error
}

// Tenant returns the record as it was when the request came. It is shared and
// must not be changed.
func (v *Visit) Tenant() *registry.Tenant { return v.tenant }

// ReadOnly reports whether the request's credential may only read. Its lease
// is then on a pool whose sessions cannot write, whatever SQL they are sent.
func (v *Visit) ReadOnly() bool { return v.grant.readOnly }

// KeyID returns the id of the API key that the request was made with, which is
// public; "" when it was made with none.
func (v *Visit) KeyID() string { return v.grant.keyID }

// Claims returns what the request's verified token says, nil when it came
// without one. The map is shared and must not be changed.
func (v *Visit) Claims() map[string]any { return v.grant.claims }

// Header sets the response's RateLimit and RateLimit-Policy when the tenant
// has a rate. [Router.Middleware] and [Router.Gin] have called it already.
func (v *Visit) Header(h http.Header) {
	if v.pass != nil {
		v.pass.Header(h)
	}
}

// Lease returns the lease on the tenant's pool. The first call takes it, later
// and concurrent ones get the same. A call that failed may be repeated. Do not
// release the lease: Close does.
//
// A visit that may only read leases another pool of the tenant's, whose login
// may do no more than that.
//
// Errors: [ErrVisitClosed] after Close; registry.ErrUnknown when the tenant is
// gone, also when another has its id by now; registry.ErrNoReader for a visit that
// may only read when the tenant has no such login; those of
// pools.Keeper.Lease; the context's.
func (v *Visit) Lease(ctx context.Context) (*pools.Lease, error) {
	for {
		lease, a, err := v.enter()
		switch {
		case lease != nil || err != nil:
			return lease, err
		case a == nil:
			return v.take(ctx)
		}
		select {
		case <-a.done:
			if a.err != nil {
				return nil, a.err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("router: tenant %s: waiting for the lease: %w", v.tenant.ID, ctx.Err())
		}
	}
}

// enter returns the lease, or the attempt to wait for, or an error. When it
// returns nothing, the caller is the one who leases.
func (v *Visit) enter() (*pools.Lease, *attempt, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.closed:
		return nil, nil, ErrVisitClosed
	case v.lease != nil:
		return v.lease, nil, nil
	case !v.leasing:
		v.leasing = true
		return nil, nil, nil
	case v.attempt == nil:
		v.attempt = &attempt{done: make(chan struct{})}
	}
	return nil, v.attempt, nil
}

// take asks the keeper. Whatever happens there, a panic too, leave is called.
func (v *Visit) take(ctx context.Context) (lease *pools.Lease, err error) {
	err = errAborted
	defer func() { lease, err = v.leave(ctx, lease, err) }()
	lease, err = v.router.pools.Lease(ctx, v.poolID())
	if err == nil && v.reborn(lease) {
		v.router.release(lease)
		lease, err = nil, errReborn
	}
	return lease, err
}

// reborn reports whether the tenant was removed since Route, and another added
// that has its id.
func (v *Visit) reborn(lease *pools.Lease) bool {
	if v.tenant.Born == 0 {
		return false
	}
	now := v.router.served(lease).Born
	return now != 0 && now != v.tenant.Born
}

// poolID names the pool that the request may use.
func (v *Visit) poolID() registry.ID {
	if v.grant.readOnly {
		return v.tenant.ID.Reader()
	}
	return v.tenant.ID
}

// leave publishes what the keeper answered. A lease that comes after Close is
// given back at once.
func (v *Visit) leave(ctx context.Context, lease *pools.Lease, err error) (*pools.Lease, error) {
	err = v.leaseError(err)
	v.mu.Lock()
	late := v.closed && err == nil
	if err == nil && !late {
		v.lease = lease
	}
	waiting := v.attempt
	v.leasing, v.attempt = false, nil
	v.mu.Unlock()

	if waiting != nil {
		if ctx.Err() == nil {
			waiting.err = err
		}
		close(waiting.done)
	}
	switch {
	case late:
		v.router.release(lease)
		return nil, ErrVisitClosed
	case err != nil:
		return nil, err
	default:
		return lease, nil
	}
}

// leaseError has a tenant that was removed or suspended since Route look like
// one that never was. The rest names the tenant already.
func (v *Visit) leaseError(err error) error {
	if errors.Is(err, registry.ErrUnknown) || errors.Is(err, registry.ErrInactive) {
		return &refusal{by: v.by, id: v.tenant.ID, place: v.place, err: err}
	}
	return err
}

// Release gives the lease back, if one was taken, before the request has ended:
// it still counts for the tenant's limits until Close. A later Lease takes
// another. Connections that are still held on it are cut, as pools.Lease.End
// does: those of rows and transactions that a handler has forgotten, or left by
// a panic.
func (v *Visit) Release() {
	v.mu.Lock()
	lease := v.lease
	v.lease = nil
	v.mu.Unlock()
	if lease != nil {
		v.router.release(lease)
	}
}

// Close gives the lease back as Release does, if one was taken, and ends the
// request for the tenant's limits. A Lease call that is under way gives its lease back by
// itself. Close does not wait, and calling it again does nothing.
func (v *Visit) Close() {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.Release()
	if v.pass != nil {
		v.pass.Release()
	}
}
