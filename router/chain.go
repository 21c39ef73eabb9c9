package router

import (
	"errors"
	"net/http"

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
	resolver
	name  string
	place bool // class 2; see isPlace
	open  bool // suffices without a credential
}

// A chain asks all of its ways, in the order of trust.
type chain struct {
	ways    []way
	proxies proxies
	dev     bool
}

// newChain expects a valid configuration.
func newChain(cfg Config, p proxies) chain {
	c := chain{proxies: p, dev: cfg.Dev}
	reserved := newLabels(cfg.Reserved)
	for _, name := range cfg.Resolvers {
		w := way{name: name, place: isPlace(name)}
		switch name {
		case byHost:
			w.resolver = newHostResolver(cfg.HostTemplate, reserved, p)
		case byPath:
			w.resolver = pathResolver{prefix: cfg.PathPrefix}
		case byNeon:
			w.resolver = neonResolver{reserved: reserved}
		case byHeader:
			w.resolver = newHeaderResolver(cfg.Header)
		}
		for _, open := range cfg.Open {
			w.open = w.open || open == name
		}
		c.ways = append(c.ways, w)
	}
	return c
}

// resolve asks every way, also after one refused: neither the status nor the
// time then tells which check it was.
func (c *chain) resolve(req *http.Request) finding {
	var f finding
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
				f.vouched = w
			}
		}
	}
	f.conclude()
	return f
}

// suffices reports whether the tenant may be served on this way's word alone.
func (c *chain) suffices(w *way, req *http.Request) bool {
	return c.dev || w.open || !w.place && c.proxies.sent(req)
}

// A finding is what the ways of a chain say together.
type finding struct {
	id  registry.ID // valid when err is nil
	err error       // the first reason to refuse, in the order of trust

	// place says that the request names a tenant, or something in its stead,
	// by host or path: a refusal is then 404. It depends on how the request
	// is written and never on which tenants exist.
	place bool

	first    *way // which found id first
	vouched  *way // the first that found id and suffices
	refused  *way // where err comes from
	reserved *way // the first that read a reserved name
	why      error
}

func (f *finding) nameless(w *way, err error) {
	if f.reserved == nil {
		f.reserved, f.why = w, err
	}
}

func (f *finding) refuse(w *way, err error) {
	f.place = f.place || w.place
	if f.err == nil {
		f.refused, f.err = w, err
	}
}

func (f *finding) found(w *way, id registry.ID) {
	f.place = f.place || w.place
	switch {
	case f.first == nil:
		f.first, f.id = w, id
	case f.id != id:
		f.refuse(w, ErrConflict)
	}
}

// conclude turns a finding without a tenant, or without anybody to vouch for
// it, into a refusal.
func (f *finding) conclude() {
	switch {
	case f.err != nil:
	case f.first == nil && f.reserved != nil:
		f.refuse(f.reserved, f.why)
	case f.first == nil:
		f.err = ErrNoTenant
	case f.vouched == nil:
		f.refuse(f.first, ErrUntrusted)
	}
}

// by names the way that decided.
func (f *finding) by() string {
	switch {
	case f.refused != nil:
		return f.refused.name
	case f.vouched != nil:
		return f.vouched.name
	default:
		return byNone
	}
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
