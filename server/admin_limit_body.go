package server

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Bounds of limits, as a record has them.
const (
	mostConns  = 10_000
	mostQueue  = 1_000_000
	mostWeight = 1000

	mostRate     = 1_000_000 // requests a second
	mostAtOnce   = 1_000_000 // requests
	leastSize    = 1 << 10   // bytes
	mostSize     = 1 << 30
	mostCacheFor = time.Hour
)

func limitMembers(l *registry.Limits) []member {
	return []member{
		{"max_conns", given(&l.MaxConns, readCount(0, mostConns))},
		{"queue", given(&l.Queue, readCount(0, mostQueue))},
		{"guaranteed_conns", given(&l.GuaranteedConns, readCount(0, mostConns))},
		{"weight", given(&l.Weight, readCount(1, mostWeight))},
		{"statement_timeout", given(&l.StatementTimeout, readDuration)},
		{"idle_in_transaction_timeout", given(&l.IdleInTransactionTimeout, readDuration)},
		{"idle_after", given(&l.IdleAfter, readDuration)},
		{"queue_timeout", given(&l.QueueTimeout, readDuration)},
		{"rate", given(&l.Rate, readRate)},
		{"burst", given(&l.Burst, readCount(0, mostAtOnce))},
		{"in_flight", given(&l.InFlight, readCount(0, mostAtOnce))},
		{"max_body", given(&l.MaxBody, readSize)},
		{"max_result", given(&l.MaxResult, readSize)},
		{"cache_for", given(&l.CacheFor, readCacheFor)},
	}
}

func limitPatchMembers(l *lifecycle.LimitsPatch) []member {
	return []member{
		{"max_conns", patched(&l.MaxConns, readCount(0, mostConns))},
		{"queue", patched(&l.Queue, readCount(0, mostQueue))},
		{"guaranteed_conns", patched(&l.GuaranteedConns, readCount(0, mostConns))},
		{"weight", patched(&l.Weight, readCount(1, mostWeight))},
		{"statement_timeout", patched(&l.StatementTimeout, readDuration)},
		{"idle_in_transaction_timeout", patched(&l.IdleInTransactionTimeout, readDuration)},
		{"idle_after", patched(&l.IdleAfter, readDuration)},
		{"queue_timeout", patched(&l.QueueTimeout, readDuration)},
		{"rate", patched(&l.Rate, readRate)},
		{"burst", patched(&l.Burst, readCount(0, mostAtOnce))},
		{"in_flight", patched(&l.InFlight, readCount(0, mostAtOnce))},
		{"max_body", patched(&l.MaxBody, readSize)},
		{"max_result", patched(&l.MaxResult, readSize)},
		{"cache_for", patched(&l.CacheFor, readCacheFor)},
	}
}

// readRate reads a number of requests a second.
func readRate(raw json.RawMessage) (float64, error) {
	rate, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || rate < 0 || rate > mostRate {
		return 0, fmt.Errorf("must be a number of requests a second from 0 to %d, such as 5 or 0.5", mostRate)
	}
	return rate, nil
}

// readSize reads a number of bytes.
func readSize(raw json.RawMessage) (int64, error) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n != 0 && (n < leastSize || n > mostSize) {
		return 0, fmt.Errorf("must be a whole number of bytes from %d to %d", leastSize, mostSize)
	}
	return n, nil
}

func readCacheFor(raw json.RawMessage) (time.Duration, error) {
	d, err := readDuration(raw)
	if err == nil && d > mostCacheFor {
		err = fmt.Errorf("must be %s at most", mostCacheFor)
	}
	return d, err
}
