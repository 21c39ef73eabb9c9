package readcache

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission/store"
)

// Config of a Cache. Its keys in a file are the fields' names in snake case, in
// the section "cache".
type Config struct {
	// MaxBytes is how much is kept in memory, all tenants together; an answer
	// of more than a quarter of it is not kept. 0 keeps nothing. Default 64 MiB.
	MaxBytes int64
	// Redis is the URL of a Redis (5 or later) or Valkey through which several
	// servers share what they read: redis:// or rediss://. Answers lie there in
	// clear. Default none.
	Redis registry.Secret
	// RedisTimeout is how long one request waits for it. Default 50ms.
	RedisTimeout time.Duration
	// Prefix begins the names of all keys there. Servers whose clusters of the
	// same name are not the same must not share one. Default poolkeeper:
	Prefix string

	// Log is told when the Redis cannot be asked, and when it can be again.
	// Default: nothing is logged.
	Log *slog.Logger
}

// The bounds of the settings.
const (
	minBytes, maxBytes     = 1 << 20, 1 << 40
	minTimeout, maxTimeout = time.Millisecond, 10 * time.Second
)

// Defaults returns the configuration of a program that sets nothing. Nothing is
// kept all the same for tenants without a cache_for.
func Defaults() Config {
	return Config{MaxBytes: 64 << 20, RedisTimeout: 50 * time.Millisecond, Prefix: "poolkeeper:"}
}

// Validate names each field that is wrong and says what would be right. A
// Redis URL that is still a reference (env:NAME, file:PATH) is right.
func (c Config) Validate() error {
	var wrong []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf("cache."+format, args...))
		}
	}
	check(c.MaxBytes == 0 || minBytes <= c.MaxBytes && c.MaxBytes <= maxBytes,
		"max_bytes: is %d; it must be 0 (nothing is kept) or from %d to %d", c.MaxBytes, minBytes, maxBytes)
	check(c.RedisTimeout >= minTimeout && c.RedisTimeout <= maxTimeout,
		"redis_timeout: is %v; it must be from %v to %v", c.RedisTimeout, minTimeout, maxTimeout)
	check(!strings.ContainsAny(c.Prefix, "{} \r\n\x00"),
		"prefix: is %q; it must have no space and no brace, such as poolkeeper:", c.Prefix)
	if text := c.Redis.Reveal(); text != "" && !strings.HasPrefix(text, "env:") && !strings.HasPrefix(text, "file:") {
		err := store.Check(c.Redis)
		check(err == nil, "redis: %w", err)
	}
	return errors.Join(wrong...)
}
