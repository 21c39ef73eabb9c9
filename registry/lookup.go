package registry

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// retryAfter is how long a stale record is served before a source that failed
// is asked again: a silent source must not cost every request a time limit.
const retryAfter = time.Second

// A flight is a question to the source that is on its way.
type flight struct {
	id    ID
	stale bool // the record changed meanwhile; guarded by Registry.mu
}

// landing is what a flight brings its passengers.
type landing struct {
	entry  *entry // nil when the source could not be asked
	err    error  // why not
	result string // for the Observer
	purges uint64 // Registry.purges when it landed
}

func (l landing) answer(id ID) (*Tenant, error) {
	if l.entry == nil {
		return nil, l.err
	}
	return l.entry.answer(id)
}

// load asks the source, together with everybody who asks for the same id.
func (r *Registry) load(ctx context.Context, id ID) (*Tenant, error) {
	if id.IsZero() {
		r.observe(resultUnknown)
		return nil, fmt.Errorf("%w: the id is empty", ErrUnknown)
	}
	if ctx.Err() != nil {
		return nil, r.left(ctx, id)
	}
	since := r.purges.Load()
	tenant := id.Tenant() // nobody has a record of a reader
	for {
		arrival := r.flights.DoChan(tenant.name, func() (any, error) { return r.fly(ctx, tenant), nil })
		select {
		case got := <-arrival:
			l := got.Val.(landing)
			if l.purges < since {
				// It had landed, and the record may have changed, before we
				// joined: singleflight takes a call down a moment later.
				continue
			}
			r.observe(l.result)
			return l.answer(id)
		case <-ctx.Done():
			return nil, r.left(ctx, id)
		}
	}
}

func (r *Registry) left(ctx context.Context, id ID) error {
	r.observe(resultError)
	return fmt.Errorf("registry: looking up tenant %q: %w", id, ctx.Err())
}

// fly asks the source for all passengers. It keeps the first one's values but
// not its cancellation: whoever is still waiting must not fail because another
// left. It asks again when the record changes under way.
func (r *Registry) fly(ctx context.Context, id ID) landing {
	// The one before may have landed between our look and the take-off.
	purges := r.purges.Load()
	if e, result := r.cached(id); e != nil {
		return e.landing(result, purges)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.LookupTimeout)
	defer cancel()
	f := r.takeOff(id)
	defer r.leave(f)
	for ctx.Err() == nil {
		t, err := r.ask(ctx, id)
		if err != nil && !errors.Is(err, ErrUnknown) {
			return r.failed(id, err)
		}
		if l, ok := r.land(f, t); ok {
			return l
		}
	}
	return r.failed(id, ctx.Err())
}

func (r *Registry) takeOff(id ID) *flight {
	f := &flight{id: id}
	r.mu.Lock()
	r.inFlight[f] = struct{}{}
	r.mu.Unlock()
	return f
}

func (r *Registry) leave(f *flight) {
	r.mu.Lock()
	delete(r.inFlight, f)
	r.mu.Unlock()
}

// ask returns the record, or an error that is ErrUnknown when there is none.
// A source that answers for somebody else has not answered.
func (r *Registry) ask(ctx context.Context, id ID) (*Tenant, error) {
	t, err := r.src.Tenant(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case t == nil:
		return nil, errors.New("the source returned neither a record nor an error")
	case t.ID != id:
		return nil, fmt.Errorf("the source returned tenant %q when asked for %q", t.ID, id)
	}
	return t, nil
}

// land remembers what the source said and tells subscribers of a change that
// nobody had told of. It reports false when the record changed under way.
func (r *Registry) land(f *flight, t *Tenant) (landing, bool) {
	e, result := r.entry(f.id, t)
	r.mu.Lock()
	if f.stale {
		f.stale = false
		r.mu.Unlock()
		return landing{}, false
	}
	old := r.known.get(f.id)
	e.epoch = r.epoch.Load()
	landed := e.landing(result, r.purges.Load())
	if t == nil {
		r.known.remove(f.id)
		r.absent.put(f.id, e)
	} else {
		r.absent.remove(f.id)
		r.known.put(f.id, e)
	}
	r.mu.Unlock()
	if old != nil && (t == nil || t.Version != old.tenant.Version) {
		r.tell(Change{f.id, kindOf(old.tenant, t)})
	}
	return landed, true
}

// entry makes the entry of a record, nil for an unknown id.
func (r *Registry) entry(id ID, t *Tenant) (*entry, string) {
	e := &entry{tenant: t, loaded: time.Since(r.start)}
	if t == nil {
		e.until = e.loaded + r.cfg.NegativeTTL
		e.err = fmt.Errorf("%w: %q", ErrUnknown, id)
		return e, resultUnknown
	}
	e.until = e.loaded + r.cfg.TTL
	if !t.Active() {
		e.err = fmt.Errorf("%w: %q is %s", ErrInactive, id, t.Status)
	}
	return e, resultLoaded
}

// failed serves what was known, if it is not too old, or the error. It looks
// now, not before the question: a change that came meanwhile took the record
// away, and then there is nothing to serve.
func (r *Registry) failed(id ID, cause error) landing {
	cause = fmt.Errorf("tenant %q: %w", id, cause)
	now := time.Since(r.start)
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.known.get(id)
	if old == nil || now >= r.last(old) {
		return landing{err: unavailable(cause), result: resultError, purges: r.purges.Load()}
	}
	again := &entry{
		tenant: old.tenant, err: old.err, loaded: old.loaded,
		until: min(now+retryAfter, r.last(old)), epoch: r.epoch.Load(),
	}
	r.known.put(id, again)
	return again.landing(resultError, r.purges.Load())
}

// last is until when a record may be served, whatever happens to the source.
func (r *Registry) last(e *entry) time.Duration { return e.loaded + r.cfg.TTL + r.cfg.StaleFor }

func (e *entry) landing(result string, purges uint64) landing {
	return landing{entry: e, result: result, purges: purges}
}
