package registry

import (
	"time"

	"go.yaml.in/yaml/v3"
)

// limitSettings is what the YAML under limits gave.
type limitSettings struct {
	maxConns, queue, guaranteedConns, weight              given[int]
	statementTimeout, idleInTransactionTimeout, idleAfter given[time.Duration]
	queueTimeout, cacheFor                                given[time.Duration]
	rate                                                  given[float64]
	burst, inFlight                                       given[int]
	maxBody, maxResult                                    given[int64]
}

func limitKeys() []string {
	return []string{
		"max_conns", "queue", "guaranteed_conns", "weight", "statement_timeout", "idle_in_transaction_timeout", "idle_after",
		"queue_timeout", "rate", "burst", "in_flight", "max_body", "max_result", "cache_for",
	}
}

// limits reads the mapping under limits.
func (r *reader) limits(s *limitSettings, node *yaml.Node, field string) {
	for _, p := range r.mapping(node, field, limitKeys()) {
		path := field + "." + p.key
		switch p.key {
		case "max_conns":
			s.maxConns = r.count(p, path, maxConns, ofPools)
		case "queue":
			s.queue = r.count(p, path, maxQueue, ofPools)
		case "guaranteed_conns":
			s.guaranteedConns = r.count(p, path, maxConns, ofPools)
		case "weight":
			s.weight = r.weight(p, path)
		case "statement_timeout":
			s.statementTimeout = r.duration(p, path, checkTimeout)
		case "idle_in_transaction_timeout":
			s.idleInTransactionTimeout = r.duration(p, path, checkTimeout)
		case "idle_after":
			s.idleAfter = r.duration(p, path, checkTimeout)
		default:
			r.requestLimit(s, p, path)
		}
	}
}

// requestLimit reads one of the limits that are about requests.
func (r *reader) requestLimit(s *limitSettings, p pair, path string) {
	switch p.key {
	case "queue_timeout":
		s.queueTimeout = r.duration(p, path, checkTimeout)
	case "rate":
		s.rate = r.rate(p, path)
	case "burst":
		s.burst = r.count(p, path, maxBurst, ofAdmission)
	case "in_flight":
		s.inFlight = r.count(p, path, maxInFlight, ofAdmission)
	case "max_body":
		s.maxBody = r.size(p, path)
	case "max_result":
		s.maxResult = r.size(p, path)
	case "cache_for":
		s.cacheFor = r.duration(p, path, checkCacheFor)
	}
}

// over lays the limits of a tenant over those of its plan.
func (s limitSettings) over(plan limitSettings) limitSettings {
	return limitSettings{
		maxConns:                 s.maxConns.or(plan.maxConns),
		queue:                    s.queue.or(plan.queue),
		guaranteedConns:          s.guaranteedConns.or(plan.guaranteedConns),
		weight:                   s.weight.or(plan.weight),
		statementTimeout:         s.statementTimeout.or(plan.statementTimeout),
		idleInTransactionTimeout: s.idleInTransactionTimeout.or(plan.idleInTransactionTimeout),
		idleAfter:                s.idleAfter.or(plan.idleAfter),
		queueTimeout:             s.queueTimeout.or(plan.queueTimeout),
		rate:                     s.rate.or(plan.rate),
		burst:                    s.burst.or(plan.burst),
		inFlight:                 s.inFlight.or(plan.inFlight),
		maxBody:                  s.maxBody.or(plan.maxBody),
		maxResult:                s.maxResult.or(plan.maxResult),
		cacheFor:                 s.cacheFor.or(plan.cacheFor),
	}
}

// limits are the values, zero for what was not written.
func (s limitSettings) limits() Limits {
	return Limits{
		MaxConns: s.maxConns.value, Queue: s.queue.value,
		GuaranteedConns: s.guaranteedConns.value, Weight: s.weight.value,
		StatementTimeout:         s.statementTimeout.value,
		IdleInTransactionTimeout: s.idleInTransactionTimeout.value,
		IdleAfter:                s.idleAfter.value, QueueTimeout: s.queueTimeout.value,
		Rate: s.rate.value, Burst: s.burst.value, InFlight: s.inFlight.value,
		MaxBody: s.maxBody.value, MaxResult: s.maxResult.value, CacheFor: s.cacheFor.value,
	}
}
