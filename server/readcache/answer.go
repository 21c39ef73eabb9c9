package readcache

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Outcome says where an answer came from.
type Outcome string

// The outcomes.
const (
	Hit       Outcome = "hit"       // it was kept here
	Shared    Outcome = "shared"    // another server had kept it
	Collapsed Outcome = "collapsed" // somebody else was reading it
	Miss      Outcome = "miss"      // it was read
)

// Answer is what a client gets.
type Answer struct {
	// Body is shared with others and must not be changed.
	Body []byte
	// Age is how long ago it was read; 0 when that was just now.
	Age     time.Duration
	Outcome Outcome
	left    time.Duration // it may be kept for
	stored  bool
}

// Hit reports whether the database was not asked.
func (a Answer) Hit() bool { return a.Outcome == Hit || a.Outcome == Shared }

// Header sets Cache-Status (RFC 9211) and, when the database was not asked,
// Age.
func (a Answer) Header(h http.Header) {
	if a.Hit() {
		h.Set("Age", seconds(a.Age))
	}
	status := "poolkeeper"
	switch a.Outcome {
	case Hit, Shared:
		status += "; hit; ttl=" + seconds(a.left)
	case Collapsed:
		status += "; fwd=miss; collapsed"
	case Miss:
		status += "; fwd=miss"
		if a.stored {
			status += "; stored"
		}
	}
	h.Set("Cache-Status", status)
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// MaxAge returns how old an answer to the request with the header h may be for
// the tenant of the record t: what the client asks for with Cache-Control:
// max-age, and at most the tenant's cache_for. 0 means that it must be read,
// which is right for whatever is not understood, too. A nil Cache, or one
// that keeps nothing, always says 0.
func (c *Cache) MaxAge(t *registry.Tenant, h http.Header) time.Duration {
	if c == nil || c.cfg.MaxBytes == 0 {
		return 0
	}
	return max(0, min(asked(h.Values("Cache-Control")), t.Limits.CacheFor, longest))
}

// asked reads the directives of RFC 9111 that matter here. Of several the
// strictest counts.
func asked(fields []string) time.Duration {
	age := time.Duration(-1)
	for _, field := range fields {
		for directive := range strings.SplitSeq(field, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "no-cache", "no-store":
				return 0
			case "max-age":
				d := deltaSeconds(strings.TrimSpace(value))
				if age < 0 || d < age {
					age = d
				}
			}
		}
	}
	return max(age, 0)
}

// deltaSeconds reads a number of seconds; what is none is 0, and what is too
// great is much.
func deltaSeconds(text string) time.Duration {
	if n := len(text); n >= 2 && text[0] == '"' && text[n-1] == '"' {
		text = text[1 : n-1]
	}
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return longest
	}
	return time.Duration(n) * time.Second
}
