package token

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

// askAgain is how long after a question for a key of an unknown name the next
// one is asked.
const askAgain = 10 * time.Second

// A set is what the issuer published at some time.
type set struct {
	keyfunc.Keyfunc
	names map[string]bool
}

// has reports whether the token's key can be in the set. One that names none
// is tried with all.
func (s *set) has(t *jwt.Token) bool {
	name, named := t.Header["kid"]
	if !named {
		return true
	}
	text, _ := name.(string)
	return s.names[text]
}

// keys are those of the issuer, read again and again.
type keys struct {
	read      func(context.Context) (*set, error)
	isFile    bool
	refresh   time.Duration
	keepFor   time.Duration
	log       *slog.Logger
	lifetime  context.Context //nolint:containedctx // the verifier's own life, not a request's
	end       context.CancelFunc
	refreshes sync.WaitGroup

	// mu guards what follows. Nothing is read under it.
	mu      sync.Mutex
	last    *set // nil before the first
	goodAt  time.Time
	askedAt time.Time
	err     error         // of the last reading
	reading chan struct{} // closed at the end of the one under way; nil without
	closed  bool
}

func newKeys(cfg Config, log *slog.Logger) *keys {
	// Readings outlive the requests that caused them.
	lifetime, end := context.WithCancel(context.Background())
	k := &keys{refresh: cfg.Refresh, keepFor: cfg.KeepFor, log: log, lifetime: lifetime, end: end}
	if isURL(cfg.JWKS) {
		k.read = fetcher(cfg.JWKS)
	} else {
		k.isFile = true
		k.read = func(ctx context.Context) (*set, error) { return readFile(ctx, cfg.JWKS) }
	}
	return k
}

// begin reads a file, so that one which is wrong is found at the start.
func (k *keys) begin() error {
	if !k.isFile {
		return nil
	}
	s, err := k.read(k.lifetime)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last, k.goodAt, k.askedAt = s, time.Now(), time.Now()
	return nil
}

func (k *keys) close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.end()
	k.refreshes.Wait()
}

// find returns the key that the token names, or all that it may be signed
// with. It waits for a reading only when nothing else can tell.
func (k *keys) find(ctx context.Context, t *jwt.Token) (any, error) {
	s, reading := k.current(t)
	if reading != nil {
		select {
		case <-reading:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		s, _ = k.known()
	}
	_, err := k.known()
	switch {
	case s == nil, !s.has(t) && err != nil: // it may be a key that came meanwhile
		return nil, ErrKeys
	case !s.has(t):
		return nil, ErrSignature
	default:
		return s.KeyfuncCtx(ctx)(t)
	}
}

// known returns the set that counts, and the error of the last reading.
func (k *keys) known() (*set, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.countsLocked(), k.err
}

// countsLocked is the last set, unless it is too old.
func (k *keys) countsLocked() *set {
	if k.last != nil && time.Since(k.goodAt) > k.keepFor {
		return nil
	}
	return k.last
}

// current returns the set that counts and, when that cannot do for the token,
// what to wait for. It begins a reading when one is due.
func (k *keys) current(t *jwt.Token) (*set, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.countsLocked()
	enough := s != nil && s.has(t)
	due := k.refresh
	if !enough || k.err != nil {
		due = min(due, askAgain)
	}
	if k.reading == nil && !k.closed && time.Since(k.askedAt) >= due {
		k.reading, k.askedAt = make(chan struct{}), time.Now()
		k.refreshes.Go(k.renew)
	}
	if enough || k.reading == nil {
		return s, nil
	}
	return s, k.reading
}

// renew reads the set once.
func (k *keys) renew() {
	ctx, cancel := context.WithTimeout(k.lifetime, readTimeout)
	defer cancel()
	s, err := k.read(ctx)
	k.mu.Lock()
	before := k.err
	k.err = err
	if err == nil {
		k.last, k.goodAt = s, time.Now()
	}
	close(k.reading)
	k.reading = nil
	k.mu.Unlock()
	switch {
	case k.lifetime.Err() != nil:
	case err != nil && before == nil:
		k.log.Warn("the keys of the tokens' issuer cannot be read; the last ones go on counting", "for", k.keepFor, "error", err)
	case err == nil && before != nil:
		k.log.Info("the keys of the tokens' issuer can be read again")
	}
}
