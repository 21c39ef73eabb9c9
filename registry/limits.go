package registry

import (
	"cmp"
	"fmt"
	"math"
	"time"
)

// Limits bound one tenant. A zero field means the default of the section that
// it belongs to: pools, admission for Rate, Burst and InFlight, server.sql for
// MaxBody and MaxResult.
type Limits struct {
	// MaxConns is the most connections the tenant's pool may open.
	MaxConns int
	// Queue is the most callers that may wait for one of them.
	Queue int
	// GuaranteedConns is how many of its connections are never taken from the
	// tenant for others. At most MaxConns.
	GuaranteedConns int
	// Weight is the tenant's share of the cluster's budget under contention,
	// relative to the others'; 0 means 1.
	Weight int
	// StatementTimeout is sent to the server as statement_timeout.
	StatementTimeout time.Duration
	// IdleInTransactionTimeout is sent to the server as
	// idle_in_transaction_session_timeout.
	IdleInTransactionTimeout time.Duration
	// IdleAfter is how long the pool may stay unused before it is evicted.
	IdleAfter time.Duration
	// QueueTimeout is the longest that a caller waits for a connection.
	QueueTimeout time.Duration

	// Rate is how many requests a second the tenant may make in the long run,
	// and Burst how many at once; a Burst of zero beside a Rate of its own is
	// the Rate, rounded up.
	Rate  float64
	Burst int
	// InFlight is how many of its requests may be under way at once.
	InFlight int
	// MaxBody and MaxResult are the greatest body of a request and the
	// greatest answer, in bytes.
	MaxBody, MaxResult int64
	// CacheFor is the longest that answers to reads may be served again
	// without asking the database; 0 means that they are not.
	CacheFor time.Duration
}

// rest are the limits without those that a running pool can follow.
func (l Limits) rest() Limits {
	return Limits{
		StatementTimeout:         l.StatementTimeout,
		IdleInTransactionTimeout: l.IdleInTransactionTimeout,
		IdleAfter:                l.IdleAfter,
	}
}

// Over lays l over the limits of a plan: what is zero in l is the plan's.
func (l Limits) Over(plan Limits) Limits {
	return Limits{
		MaxConns:                 cmp.Or(l.MaxConns, plan.MaxConns),
		Queue:                    cmp.Or(l.Queue, plan.Queue),
		GuaranteedConns:          cmp.Or(l.GuaranteedConns, plan.GuaranteedConns),
		Weight:                   cmp.Or(l.Weight, plan.Weight),
		StatementTimeout:         cmp.Or(l.StatementTimeout, plan.StatementTimeout),
		IdleInTransactionTimeout: cmp.Or(l.IdleInTransactionTimeout, plan.IdleInTransactionTimeout),
		IdleAfter:                cmp.Or(l.IdleAfter, plan.IdleAfter),
		QueueTimeout:             cmp.Or(l.QueueTimeout, plan.QueueTimeout),
		Rate:                     cmp.Or(l.Rate, plan.Rate),
		Burst:                    cmp.Or(l.Burst, plan.Burst),
		InFlight:                 cmp.Or(l.InFlight, plan.InFlight),
		MaxBody:                  cmp.Or(l.MaxBody, plan.MaxBody),
		MaxResult:                cmp.Or(l.MaxResult, plan.MaxResult),
		CacheFor:                 cmp.Or(l.CacheFor, plan.CacheFor),
	}
}

// Bounds of limits.
const (
	maxConns    = 10_000
	maxQueue    = 1_000_000
	maxWeight   = 1000
	minTimeout  = time.Millisecond // less would reach the server as 0: no limit
	maxTimeout  = 24 * 24 * time.Hour
	maxRate     = 1_000_000
	maxBurst    = 1_000_000
	maxInFlight = 1_000_000
	minBytes    = 1 << 10 // of a body or an answer
	maxBytes    = 1 << 30
	maxCacheFor = time.Hour
)

// The sections whose defaults stand for a zero.
const (
	ofPools     = "pools"
	ofAdmission = "admission"
)

// check checks every single limit; message is "" for what is right.
func (l Limits) check(report func(field, message string)) {
	report("max_conns", checkCount(l.MaxConns, maxConns, ofPools))
	report("queue", checkCount(l.Queue, maxQueue, ofPools))
	report("guaranteed_conns", checkCount(l.GuaranteedConns, maxConns, ofPools))
	if l.Weight != 0 {
		report("weight", checkWeight(l.Weight))
	}
	report("statement_timeout", checkTimeout(l.StatementTimeout))
	report("idle_in_transaction_timeout", checkTimeout(l.IdleInTransactionTimeout))
	report("idle_after", checkTimeout(l.IdleAfter))
	report("queue_timeout", checkTimeout(l.QueueTimeout))
	report("rate", checkRate(l.Rate))
	report("burst", checkCount(l.Burst, maxBurst, ofAdmission))
	report("in_flight", checkCount(l.InFlight, maxInFlight, ofAdmission))
	report("max_body", checkBytes(l.MaxBody))
	report("max_result", checkBytes(l.MaxResult))
	report("cache_for", checkCacheFor(l.CacheFor))
}

func checkCount(n, limit int, section string) string {
	if n < 0 || n > limit {
		return fmt.Sprintf("is %d; it must be 1 to %d, or 0 for the default of %s", n, limit, section)
	}
	return ""
}

// checkWeight is for a weight that somebody wrote; 0, which in code means the
// default, would mean no share at all.
func checkWeight(n int) string {
	if n < 1 || n > maxWeight {
		return fmt.Sprintf("is %d; it must be 1 to %d", n, maxWeight)
	}
	return ""
}

func checkTimeout(d time.Duration) string {
	switch {
	case d < 0:
		return fmt.Sprintf("is %s; a duration cannot be negative, and 0s means the default of pools", d)
	case d > 0 && d < minTimeout, d > maxTimeout:
		return fmt.Sprintf("is %s; it must be %s to %s, or 0s for the default of pools", d, minTimeout, maxTimeout)
	default:
		return ""
	}
}

func checkRate(perSecond float64) string {
	if math.IsNaN(perSecond) || perSecond < 0 || perSecond > maxRate {
		return fmt.Sprintf("is %v; it must be a number of requests a second, more than 0 and at most %d, or 0 for the default of admission",
			perSecond, maxRate)
	}
	return ""
}

func checkBytes(n int64) string {
	if n != 0 && (n < minBytes || n > maxBytes) {
		return fmt.Sprintf("is %s; it must be %s to %s, or 0 for the default of server.sql",
			FormatSize(n), FormatSize(minBytes), FormatSize(maxBytes))
	}
	return ""
}

func checkCacheFor(d time.Duration) string {
	if d != 0 && d < minTimeout || d > maxCacheFor {
		return fmt.Sprintf("is %s; it must be %s to %s, or 0s for answers that are not kept", d, minTimeout, maxCacheFor)
	}
	return ""
}

// overpromise says what is wrong when more connections are guaranteed than
// allowed; where says where the latter is written. What is out of bounds by
// itself was told.
func (l Limits) overpromise(where string) string {
	if l.MaxConns <= 0 || l.GuaranteedConns <= l.MaxConns || l.GuaranteedConns > maxConns {
		return ""
	}
	return fmt.Sprintf("is %d, but max_conns is %d%s; no more can be guaranteed than are allowed",
		l.GuaranteedConns, l.MaxConns, where)
}
