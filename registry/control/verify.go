package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
)

// Key tells which key a text is, from memory; what it returns is what
// apikey.Ring.Verify does. When changes could not be looked for in twice
// Config.Poll, the database is asked whether there are any, once for all who
// ask meanwhile. The errors are those of package apikey, and
// registry.ErrUnavailable while the keys are not known.
func (d *Database) Key(ctx context.Context, text string) (apikey.Key, error) {
	if d.fresh() {
		return d.verify(text)
	}
	if _, err := apikey.Parse(text); err != nil {
		return apikey.Key{}, err
	}
	if !d.seen.loaded.Load() {
		return apikey.Key{}, fmt.Errorf("%w: the keys were not loaded", registry.ErrUnavailable)
	}
	if err := d.renew(ctx); err != nil {
		return d.recall(text, err)
	}
	return d.verify(text)
}

func (d *Database) verify(text string) (apikey.Key, error) {
	k, err := d.ring.Verify(text, time.Now())
	if err == nil || errors.Is(err, apikey.ErrMalformed) {
		return k, err
	}
	if why := d.unseasoned.Load(); why != nil {
		return apikey.Key{}, fmt.Errorf("%w: %w", registry.ErrUnavailable, *why)
	}
	return k, err
}

// recall answers from what is in memory, as long as that may be done, when the
// database could not be asked. A key that is not there may have been made
// since.
func (d *Database) recall(text string, why error) (apikey.Key, error) {
	if d.recalls() {
		if k, err := d.verify(text); !errors.Is(err, apikey.ErrUnknown) {
			return k, err
		}
	}
	return apikey.Key{}, fmt.Errorf("%w: asking for keys: %w", registry.ErrUnavailable, why)
}

func (d *Database) recalls() bool {
	return d.staleFor > 0 && d.seen.age() <= 2*d.cfg.Poll+d.staleFor
}

// retryAfter is how long after a failure the database is not asked again: one
// that is silent must not cost every request a time limit.
const retryAfter = time.Second

// renewal is the question to the database that all share who find that the
// keys in memory are too old to be believed.
type renewal struct {
	mu      sync.Mutex // guards what follows; the database is asked outside of it
	current *question  // the last one; nil before the first
	failing bool       // the one before it went wrong, or it itself
	ended   bool       // no other may begin
}

// A question is what one look at the database gave. err and at are written
// before done is closed.
type question struct {
	done chan struct{}
	err  error
	at   time.Time
}

// answered reports whether the question is over.
func (q *question) answered() bool {
	select {
	case <-q.done:
		return true
	default:
		return false
	}
}

// renew looks for changes, together with everybody who wants to know. It does
// not wait for a database that has just failed and need not be waited for.
func (d *Database) renew(ctx context.Context) error {
	q, failing := d.question(ctx)
	if failing && d.recalls() && !q.answered() {
		return errors.New("the last try failed, and the next one is under way")
	}
	select {
	case <-q.done:
		return q.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// question joins the one that is under way, or that has just failed, or asks.
func (d *Database) question(ctx context.Context) (q *question, failing bool) {
	r := &d.renewal
	r.mu.Lock()
	defer r.mu.Unlock()
	if q := r.current; q != nil && (!q.answered() || q.err != nil && time.Since(q.at) < retryAfter) {
		return q, r.failing
	}
	q = &question{done: make(chan struct{})}
	if r.ended {
		q.err = errors.New("the control database was closed")
		close(q.done)
		return q, true
	}
	r.current = q
	d.background(ctx, func(ctx context.Context) { d.answer(ctx, q) })
	return q, r.failing
}

// answer looks for changes and tells everybody who waits.
func (d *Database) answer(ctx context.Context, q *question) {
	ctx, cancel := context.WithTimeout(ctx, d.patience())
	defer cancel()
	err := d.catchUp(ctx, d.pool)
	d.renewal.mu.Lock()
	defer d.renewal.mu.Unlock()
	d.renewal.failing = err != nil
	q.err, q.at = err, time.Now()
	close(q.done)
}

// end keeps questions from being asked after Close.
func (r *renewal) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
}

// serveKeys makes what was read of the keys what is served: all there is, or
// what has changed.
func (d *Database) serveKeys(r *keyring, all bool) {
	if all || len(r.keys) > 0 {
		d.season(r)
	}
	if all {
		d.ring.Load(r.keys)
	} else {
		d.ring.Apply(r.keys, r.removed)
	}
}

// season has texts hashed with the pepper that was read. Without the right one
// no text is anybody's key, which is told apart from texts that are none.
func (d *Database) season(r *keyring) {
	var err error
	switch {
	case len(r.keys) == 0:
	case r.pepper == "":
		err = errors.New("control: poolkeeper.pepper is empty, and no API key can be verified without it; restore it, or delete the keys")
	default:
		var pepper apikey.Pepper
		if pepper, err = d.openPepper(r.pepper); err == nil {
			d.ring.Season(pepper)
		}
	}
	if err == nil {
		d.unseasoned.Store(nil)
		return
	}
	if d.unseasoned.Swap(&err) == nil {
		d.log.Error("the API keys cannot be verified", "error", err)
	}
}
