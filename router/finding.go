package router

import (
	"errors"

	"github.com/poolkeeper/poolkeeper/registry"
)

// A finding is what the ways of a chain say together.
type finding struct {
	id  registry.ID // valid when err is nil
	err error       // the first reason to refuse, in the order of trust

	// place says that the request names a tenant, or something in its stead,
	// by host or path: a refusal is then 404. It depends on how the request
	// is written and never on which tenants exist.
	place bool
	grant grant
	// authenticated says that credentials are among the ways.
	authenticated bool

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

func (f *finding) vouch(w *way) {
	if f.vouched == nil {
		f.vouched = w
	}
}

// conclude turns a finding without a tenant, or without anybody to vouch for
// it, into a refusal.
func (f *finding) conclude() {
	switch {
	case f.err != nil:
	case f.first == nil && f.reserved != nil && f.authenticated:
		// Not for want of a place: 401 says that a credential would do, and a
		// bad one gets the same.
		f.refused, f.err = f.reserved, f.why
	case f.first == nil && f.reserved != nil:
		f.refuse(f.reserved, f.why)
	case f.first == nil:
		f.err = ErrNoTenant
	case f.vouched == nil:
		f.refuse(f.first, ErrUntrusted)
	}
}

// refusal returns err in the form in which it leaves the router. That nobody
// knows whether a credential is good is no refusal.
func (f *finding) refusal() error {
	if !errors.Is(f.err, ErrRefused) && !errors.Is(f.err, ErrNoTenant) {
		return f.err
	}
	return &refusal{by: f.by(), place: f.place, err: f.err}
}

// proven reports whether a verified credential vouches for all of it.
func (f *finding) proven() bool {
	return f.err == nil && f.vouched != nil && f.vouched.credential
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
