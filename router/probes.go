package router

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/poolkeeper/poolkeeper/registry"
)

// maxSites bounds what the limit remembers, at some 200 bytes each. Who has
// more networks than that has no need to come back to one.
const maxSites = 1 << 13

// probes count the refused requests of each site. A site that reaches its
// limit waits until enough of them are forgotten, one by one, at a steady
// rate.
//
// What is kept of a site is one time: when all of its refusals will be
// forgotten. Each adds the time in which one is.
type probes struct {
	one   time.Duration // in which one refusal is forgotten
	most  time.Duration // a site whose refusals take longer waits
	start time.Time     // times are counted from here, by the monotonic clock

	mu    sync.Mutex // guards sites; nothing else happens under it
	sites *simplelru.LRU[netip.Addr, time.Duration]
}

// newProbes returns nil when the limit is off.
func newProbes(cfg Config) (*probes, error) {
	if cfg.ProbeRate == 0 {
		return nil, nil
	}
	sites, err := simplelru.NewLRU[netip.Addr, time.Duration](maxSites, nil)
	if err != nil { // unreachable: the size is positive
		return nil, fmt.Errorf("router: %w", err)
	}
	one := time.Minute / time.Duration(cfg.ProbeRate)
	return &probes{
		one:   one,
		most:  one * time.Duration(cfg.ProbeBurst-1),
		start: time.Now(),
		sites: sites,
	}, nil
}

// check returns nil for a site that may ask, else when it may again. To have
// been asked is no refusal: who goes on asking waits no longer for it. But
// such a site is not forgotten before others are.
func (p *probes) check(site netip.Addr) error {
	now := time.Since(p.start)
	p.mu.Lock()
	forgotten, _ := p.sites.Get(site)
	p.mu.Unlock()
	if wait := forgotten - now - p.most; wait > 0 {
		return &probing{wait: wait}
	}
	return nil
}

// count notes a refusal.
func (p *probes) count(site netip.Addr) {
	now := time.Since(p.start)
	p.mu.Lock()
	defer p.mu.Unlock()
	forgotten, _ := p.sites.Peek(site)
	p.sites.Add(site, max(forgotten, now)+p.one)
}

// probing is ErrProbing with the time to wait.
type probing struct{ wait time.Duration }

// Error says nothing of the site: addresses belong to the access log.
func (p *probing) Error() string { return ErrProbing.Error() }

// Unwrap returns ErrProbing.
func (p *probing) Unwrap() error { return ErrProbing }

// isProbe reports whether a request was refused for what it asked for. Whether
// the tenant exists makes no difference. A request that names nobody asks for
// nothing.
func isProbe(err error) bool {
	return errors.Is(err, ErrRefused) || errors.Is(err, registry.ErrUnknown) || errors.Is(err, registry.ErrInactive)
}
