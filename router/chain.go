package router

import (
	"errors"
	"net/http"
	"slices"

	"github.com/poolkeeper/poolkeeper/registry"
)

// A resolver reads one place of a request.
type resolver interface {
	// resolve returns the tenant that the request names there. The results:
	//
	//	id, nil              this one
	//	zero, nil            the request says nothing there
	//	zero, ErrReserved    what it says there is no tenant's name, by rule
	//	zero, ErrMalformed   it says something that cannot be a tenant
	//
	// No error may hold a byte of the request: it may be a credential.
	resolve(req *http.Request) (registry.ID, error)
}

// A way is a resolver as it was configured.
type way struct {
	resolver   // nil for a credential, which the verifier reads
	name       string
	credential bool // class 1
	place      bool // class 2; see classOf
	open       bool // suffices without a credential
}

// A chain asks all of its ways, in the order of trust: the verifier's are of
// class 1 and come first.
type chain struct {
	verifier verifier
	ways     []way
	proxies  proxies
	dev      bool
}

// newChain expects a valid configuration.
func newChain(cfg Config, d Deps, p proxies) chain {
	c := chain{proxies: p, dev: cfg.Dev}
	c.verifier = verifier{keys: d.Keys, tokens: d.Tokens, dev: cfg.Dev}
	reserved := newLabels(cfg.Reserved)
	for _, name := range cfg.Resolvers {
		w := way{name: name, place: classOf(name) == classPlace}
		switch name {
		case byKey, byToken:
			w.credential = true
			c.verifier.ways = append(c.verifier.ways, w)
			continue
		case byHost:
			w.resolver = newHostResolver(cfg.HostTemplate, reserved, p)
		case byPath:
			w.resolver = pathResolver{prefix: cfg.PathPrefix}
		case byNeon:
			w.resolver = neonResolver{reserved: reserved}
		case byHeader:
			w.resolver = newHeaderResolver(cfg.Header)
		}
		w.open = slices.Contains(cfg.Open, name)
		c.ways = append(c.ways, w)
	}
	return c
}

// resolve asks every way, also after one refused: neither the status nor the
// time then tells which check it was.
func (c *chain) resolve(req *http.Request) finding {
	f := finding{authenticated: len(c.verifier.ways) > 0}
	c.verifier.verify(req, &f)
	for i := range c.ways {
		w := &c.ways[i]
		id, err := w.resolve(req)
		switch {
		case errors.Is(err, ErrReserved):
			f.nameless(w, err)
		case err != nil:
			f.refuse(w, err)
		case !id.IsZero():
			f.found(w, id)
			if f.vouched == nil && c.suffices(w, req) {
				f.vouch(w)
			}
		}
	}
	f.conclude()
	return f
}

// suffices reports whether the tenant may be served on this way's word alone.
func (c *chain) suffices(w *way, req *http.Request) bool {
	return c.dev && !isForeignPage(req) || w.open || !w.place && c.proxies.sent(req)
}

// fetchSite is where a browser says whose page asks, which no page can write.
const fetchSite = "Sec-Fetch-Site"

// isForeignPage reports whether a web page of another site asks. In dev mode the
// browser of whoever develops reaches the port, and with it any page that is
// opened there.
func isForeignPage(req *http.Request) bool {
	values := req.Header[fetchSite]
	return len(values) > 0 && values[0] == "cross-site"
}

// faceless reports whether the address says nothing of who asks: a resolver is
// open because something in front authenticates, and when that is not among the
// proxies, all clients have its address. One of them must not use up the limit
// for all.
func (c *chain) faceless(f *finding) bool {
	return len(c.proxies) == 0 && f.err == nil && f.vouched != nil && f.vouched.open
}

// A refusal is an error that must look like every other refusal from outside.
type refusal struct {
	by    string
	id    registry.ID // zero when there is none that is certain
	place bool        // see finding
	err   error
}

// Error says which resolver it was and, once it is known to be one, the
// tenant's id. It never holds what the client wrote otherwise.
func (r *refusal) Error() string {
	if r.id.IsZero() {
		return r.err.Error() + " (by " + r.by + ")"
	}
	return r.err.Error() + " (" + r.id.String() + ", by " + r.by + ")"
}

// Unwrap returns the reason.
func (r *refusal) Unwrap() error { return r.err }
