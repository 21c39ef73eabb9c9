package router

import (
	"net/http"
	"net/netip"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// The tests' only door. A lease is a concrete type, which a test without a
// keeper cannot watch being released; it has the router call fn instead.

// OnRelease replaces what the router does to give a lease back.
func (r *Router) OnRelease(fn func(*pools.Lease)) { r.release = fn }

// OnServed replaces what the router does to learn whose pool a lease is on.
func (r *Router) OnServed(fn func(*pools.Lease) *registry.Tenant) { r.served = fn }

// Rows names the rows of the table of problems, in their order.
func Rows() []string {
	var names []string
	for _, r := range table {
		names = append(names, r.what)
	}
	return names
}

// RowOf names the row that an error meets.
func RowOf(err error) string { return rowOf(err).what }

// Site returns whom a request counts for.
func (r *Router) Site(req *http.Request) netip.Addr { return r.chain.proxies.site(req) }

// MaxSites is how many of them are remembered.
const MaxSites = maxSites
