package registry

import (
	"errors"
	"fmt"
	"time"
)

// Config of the cached lookup; the section registry of the configuration.
type Config struct {
	// LookupTimeout is how long one question to the source may take. Callers
	// that are less patient leave earlier. Default 5s.
	LookupTimeout time.Duration
	// NegativeTTL is how long it is remembered that an id is unknown. It
	// bounds how often one invented id reaches the source. Default 5s.
	NegativeTTL time.Duration
	// Size is how many records are remembered, and again how many unknown
	// ids; beyond it those not used lately are forgotten. Set it above the
	// number of tenants that are busy at one time. Default 10000.
	Size int
	// StaleFor is how long, beyond TTL, a record is served when the source
	// cannot be asked. It weighs availability against hearing of a
	// suspension; 0 means not at all. Default 10m.
	StaleFor time.Duration
	// TTL is how long a record is served without asking the source again.
	// Changes that the source tells of do not wait for it: it bounds the harm
	// of one that got lost. Default 30s.
	TTL time.Duration
}

// maxSize keeps a slip of the finger from becoming gigabytes.
const maxSize = 10_000_000

// Defaults returns the configuration of a program that sets nothing.
func Defaults() Config {
	return Config{
		LookupTimeout: 5 * time.Second,
		NegativeTTL:   5 * time.Second,
		Size:          10_000,
		StaleFor:      10 * time.Minute,
		TTL:           30 * time.Second,
	}
}

// Validate names each field that is wrong and says what would be right.
func (c Config) Validate() error {
	var wrong []error
	positive := func(field string, d time.Duration) {
		if d <= 0 {
			wrong = append(wrong, fmt.Errorf("registry.%s: is %s; it must be more than 0s, such as 5s", field, d))
		}
	}
	positive("lookup_timeout", c.LookupTimeout)
	positive("negative_ttl", c.NegativeTTL)
	if c.Size < 1 || c.Size > maxSize {
		wrong = append(wrong, fmt.Errorf("registry.size: is %d; it must be 1 to %d", c.Size, maxSize))
	}
	if c.StaleFor < 0 {
		wrong = append(wrong, fmt.Errorf("registry.stale_for: is %s; it must be 0s (never) or more, such as 10m", c.StaleFor))
	}
	positive("ttl", c.TTL)
	return errors.Join(wrong...)
}
