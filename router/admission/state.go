package admission

import (
	"time"

	"golang.org/x/time/rate"
)

// state is what is remembered of one tenant; its shard's mutex guards it.
type state struct {
	terms    terms
	limiter  *rate.Limiter // nil until the tenant has a rate
	inFlight int
	// until is when the shared bucket has a token again: it need not be asked
	// before. Zero when that is not known.
	until time.Time
}

// enter takes a token and counts the request, or takes nothing and says why.
func (s *state) enter(now time.Time, t terms) (quota, error) {
	s.follow(now, t)
	if t.inFlight > 0 && s.inFlight >= t.inFlight {
		return s.quota(now), ErrInFlight
	}
	if t.rate > 0 {
		if left := s.until.Sub(now); left > 0 {
			return quota{terms: t, wait: left}, ErrRate
		}
		if !s.limiter.AllowN(now, 1) {
			return s.quota(now), ErrRate
		}
	}
	s.inFlight++
	return s.quota(now), nil
}

// follow has the limits of the record hold. The tokens stay as they are: more
// burst is room that fills at the rate, and less cuts what is above it.
func (s *state) follow(now time.Time, t terms) {
	if s.terms != t {
		s.until = time.Time{}
		if s.limiter != nil && t.rate > 0 {
			s.limiter.SetLimitAt(now, rate.Limit(t.rate))
			s.limiter.SetBurstAt(now, t.burst)
		}
		s.terms = t
	}
	if s.limiter == nil && t.rate > 0 {
		s.limiter = rate.NewLimiter(rate.Limit(t.rate), t.burst)
	}
}

// quota describes the bucket in this process.
func (s *state) quota(now time.Time) quota {
	if s.terms.rate == 0 {
		return quota{}
	}
	return newQuota(s.terms, s.limiter.TokensAt(now))
}

// undo takes back what enter did under the terms t, for a request that the
// shared bucket refuses for the given time: what it does not let through must
// not be missing here when it does.
func (s *state) undo(now time.Time, t terms, wait time.Duration) {
	s.inFlight--
	s.limiter.AllowN(now, -1) // one comes back; the limiter keeps to its burst
	if wait > 0 && s.terms == t {
		s.until = now.Add(wait)
	}
}

// rests reports whether a new state would be the same.
func (s *state) rests(now time.Time) bool {
	return s.inFlight == 0 && (s.limiter == nil || s.limiter.TokensAt(now) >= float64(s.limiter.Burst()))
}
