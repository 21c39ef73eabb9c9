package admission

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission/store"
)

// What may be done without an answer of the shared store.
const (
	// FailOpen lets the tenant's limit in this process decide alone.
	FailOpen = "open"
	// FailClosed refuses with [ErrStore].
	FailClosed = "closed"
)

// Config holds the limits of tenants that have none of their own, and where
// several servers share them. Its keys in a file are the fields' names in snake
// case, in the section "admission".
type Config struct {
	// Rate is how many requests a second a tenant may make in the long run; it
	// may have a fraction, and 0 sets no limit. Default 0.
	Rate float64
	// Burst is how many requests may come at once; 0 is the rate, rounded up.
	// Default 0.
	Burst int
	// InFlight is how many of a tenant's requests may be under way at once in
	// this process, each until its answer is written; 0 sets no limit. What a
	// tenant can have in memory here is this many answers. The default of 200 is
	// above what a tenant's connections and queue hold (4 and 64, and its
	// reader's again) when pools has its own defaults: whoever raises the queue
	// raises it, too.
	InFlight int
	// Redis is the URL of a Redis (5 or later) or Valkey through which several
	// servers share the tenants' rates: redis:// or rediss://. Default none:
	// each server counts for itself.
	Redis registry.Secret
	// RedisTimeout is how long one request waits for it. Default 50ms.
	RedisTimeout time.Duration
	// WhenRedisFails says what happens without its answer: open or closed. The
	// limit in this process holds either way. Default open.
	WhenRedisFails string
	// Prefix begins the names of all keys there. Default poolkeeper:
	Prefix string

	// Log is told when the Redis cannot be asked, and when it can be again.
	// Default: nothing is logged.
	Log *slog.Logger
}

// The bounds of the settings.
const (
	maxRate    = 1e9
	maxCount   = 1_000_000_000
	minTimeout = time.Millisecond
	maxTimeout = 10 * time.Second
)

// Defaults returns the configuration of a program that sets nothing: no rates.
func Defaults() Config {
	return Config{InFlight: 200, RedisTimeout: 50 * time.Millisecond, WhenRedisFails: FailOpen, Prefix: "poolkeeper:"}
}

// Validate names each field that is wrong and says what would be right. A
// Redis URL that is still a reference (env:NAME, file:PATH) is right.
func (c Config) Validate() error {
	var wrong []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf("admission."+format, args...))
		}
	}
	check(c.Rate >= 0 && c.Rate <= maxRate, "rate: is %v; it must be from 0 (no limit) to %.0f requests a second", c.Rate, maxRate)
	check(0 <= c.Burst && c.Burst <= maxCount, "burst: is %d; it must be from 0 (the rate, rounded up) to %d", c.Burst, maxCount)
	check(0 <= c.InFlight && c.InFlight <= maxCount, "in_flight: is %d; it must be from 0 (no limit) to %d", c.InFlight, maxCount)
	check(c.Burst == 0 || c.Rate != 0, "burst: is %d, but admission.rate is 0; give both or none", c.Burst)
	check(c.RedisTimeout >= minTimeout && c.RedisTimeout <= maxTimeout,
		"redis_timeout: is %v; it must be from %v to %v", c.RedisTimeout, minTimeout, maxTimeout)
	check(c.WhenRedisFails == FailOpen || c.WhenRedisFails == FailClosed,
		"when_redis_fails: is %q; it must be open or closed", c.WhenRedisFails)
	check(!strings.ContainsAny(c.Prefix, "{} \r\n\x00"),
		"prefix: is %q; it must have no space and no brace, such as poolkeeper:", c.Prefix)
	if !c.Redis.IsZero() && !isReference(c.Redis.Reveal()) {
		err := store.Check(c.Redis)
		check(err == nil, "redis: %w", err)
	}
	return errors.Join(wrong...)
}

func isReference(text string) bool {
	return strings.HasPrefix(text, "env:") || strings.HasPrefix(text, "file:")
}

// terms are the limits that hold for one tenant; what is zero does not hold.
type terms struct {
	rate            float64
	burst, inFlight int
}

// of returns the tenant's own limits, and the section's where it has none.
func (c Config) of(l registry.Limits) terms {
	t := terms{rate: c.Rate, burst: c.Burst, inFlight: c.InFlight}
	if l.Rate > 0 {
		t.rate, t.burst = min(l.Rate, maxRate), 0
	}
	if l.Burst > 0 {
		t.burst = l.Burst
	}
	if t.burst == 0 {
		t.burst = max(1, int(math.Ceil(t.rate)))
	}
	if l.InFlight > 0 {
		t.inFlight = l.InFlight
	}
	return t
}

func (t terms) none() bool { return t.rate == 0 && t.inFlight == 0 }
