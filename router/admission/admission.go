// Package admission decides whether a tenant may make one more request now, so
// that one tenant's load is not the others'.
//
// Each tenant has a bucket of tokens that holds its burst and fills at its rate,
// and a count of the requests that are under way. A request takes a token and
// is counted until its [Pass] is released; without a token, or with the count
// full, it is refused at once: nothing waits here. The limits are the tenant's
// own, from its record, or the [Config]'s; a change of the record counts from
// the next request on, and never fills a bucket.
//
// Only a tenant whose limits are not at rest costs memory: a bucket that is full
// again, with nothing under way, is forgotten, because a new one would be the
// same.
//
// With [Config].Redis several servers share the rates: a request that this
// server's own bucket lets through is put to the shared one, which is kept by
// the Redis server with its own clock. The own bucket holds whatever happens
// there.
package admission

import (
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Why a request is not admitted; match them with errors.Is.
var (
	// ErrRate is returned when the tenant makes more requests than its rate.
	ErrRate = errors.New("admission: tenant's rate exceeded")
	// ErrInFlight is returned when as many requests as may are under way.
	ErrInFlight = errors.New("admission: as many of the tenant's requests as may are under way")
	// ErrStore is returned when the shared store cannot be asked and the
	// configuration says to refuse then.
	ErrStore = errors.New("admission: the shared store cannot be asked")
)

// A Refusal says why a request is not admitted, and when to come again.
type Refusal struct {
	Tenant registry.ID
	// RetryAfter is, with ErrRate, the exact time until the next request would
	// be admitted if no other came first; else a guess.
	RetryAfter time.Duration
	quota      quota
	err        error
}

// Error names the tenant and the reason.
func (r *Refusal) Error() string { return "tenant " + r.Tenant.String() + ": " + r.err.Error() }

// Unwrap returns one of the sentinels.
func (r *Refusal) Unwrap() error { return r.err }

// Header sets RateLimit and RateLimit-Policy, when the tenant has a rate.
func (r *Refusal) Header(h http.Header) { r.quota.header(h) }

// Pass is a request that was admitted. The zero Pass is one without limits.
type Pass struct {
	shard    *shard
	state    *state
	quota    quota
	released atomic.Bool
}

// Header sets RateLimit and RateLimit-Policy, when the tenant has a rate.
func (p *Pass) Header(h http.Header) { p.quota.header(h) }

// Release ends the request; again does nothing.
func (p *Pass) Release() {
	if p.state != nil && p.released.CompareAndSwap(false, true) {
		p.shard.leave(p.state)
	}
}
