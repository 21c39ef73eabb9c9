package admission

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// quota is what a tenant may still do at one moment.
type quota struct {
	terms  terms
	tokens float64 // requests that may come at once now; at most terms.burst
	wait   time.Duration
}

// maxInteger is the greatest integer of a structured field, RFC 9651.
const maxInteger = 999_999_999_999_999

// longest keeps a time that a tiny rate makes from overflowing.
const longest = 365 * 24 * time.Hour

// newQuota describes a bucket. A bucket whose next token lacks nothing that
// floating point could tell has that token.
func newQuota(t terms, tokens float64) quota {
	q := quota{terms: t, tokens: max(0, tokens)}
	if missing := 1 - tokens; missing > tolerance {
		q.wait = after(missing / t.rate)
	}
	return q
}

// tolerance is the part of a token that is the rounding of sums.
const tolerance = 1e-6

// after rounds up: whoever waits that long has waited long enough.
func after(seconds float64) time.Duration {
	if seconds >= longest.Seconds() {
		return longest
	}
	return time.Duration(math.Ceil(seconds*1e9)) * time.Nanosecond
}

// header sets the fields of draft-ietf-httpapi-ratelimit-headers, version 8 or
// later: the whole quota comes back within w seconds; r requests are left, and
// within t seconds there are more: the next one when none is left, else all.
func (q quota) header(h http.Header) {
	if q.terms.rate == 0 {
		return
	}
	policy := `"default";q=` + whole(float64(q.terms.burst)) + `;w=` + whole(math.Ceil(float64(q.terms.burst)/q.terms.rate))
	left := math.Floor(q.tokens + tolerance)
	more := (float64(q.terms.burst) - q.tokens) / q.terms.rate
	if left < 1 {
		left, more = 0, q.wait.Seconds()
	}
	h.Set("RateLimit-Policy", policy)
	h.Set("RateLimit", `"default";r=`+whole(left)+`;t=`+whole(math.Ceil(more-tolerance)))
}

// whole writes a structured field's integer.
func whole(n float64) string {
	return strconv.FormatInt(int64(min(max(n, 0), maxInteger)), 10)
}
