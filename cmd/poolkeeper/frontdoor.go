package main

import (
	"errors"
	"log/slog"
	"slices"

	"github.com/poolkeeper/poolkeeper/config"
	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/admission"
	"github.com/poolkeeper/poolkeeper/router/admission/store"
	"github.com/poolkeeper/poolkeeper/router/token"
	"github.com/poolkeeper/poolkeeper/server/readcache"
)

// frontDoor is what requests are let in by.
type frontDoor struct {
	keys      router.Keys
	tokens    router.Tokens
	admission *admission.Control
	cache     *readcache.Cache
	closing   []func()
}

// newFrontDoor makes what the configuration asks for. p is nil without a
// control database, and with it there are no keys.
func newFrontDoor(cfg *config.Config, p *plane, m *metrics.Metrics, log *slog.Logger) (*frontDoor, error) {
	f := &frontDoor{}
	if slices.Contains(cfg.Router.Resolvers, "key") {
		if p == nil {
			return nil, errors.New("router.resolvers: lists key, but control.dsn is missing: keys are kept in the control database")
		}
		f.keys = p.db
	}
	if cfg.JWT.Wanted() {
		v, err := token.New(cfg.JWT, log)
		if err != nil {
			return nil, err
		}
		f.tokens, f.closing = v, append(f.closing, v.Close)
	}
	store.Quiet()
	cfg.Admission.Log, cfg.Cache.Log = log, log
	c, err := admission.New(cfg.Admission, m)
	if err != nil {
		f.close()
		return nil, err
	}
	f.admission, f.closing = c, append(f.closing, c.Close)
	kept, err := readcache.New(cfg.Cache, m)
	if err != nil {
		f.close()
		return nil, err
	}
	f.cache, f.closing = kept, append(f.closing, kept.Close)
	return f, nil
}

// close is for when no request is left.
func (f *frontDoor) close() {
	for _, end := range f.closing {
		end()
	}
}
