package metrics

import (
	"errors"
	"time"

	"github.com/poolkeeper/poolkeeper/router/admission/store"
	"github.com/poolkeeper/poolkeeper/server/readcache"
)

// CacheRead counts a read that the cache was asked for. It is part of
// readcache.Observer.
func (m *Metrics) CacheRead(how readcache.Outcome) { m.cacheReads.at(string(how)).Inc() }

// CacheStoreAsked counts a question to the store that replicas share their
// answers by. It is part of readcache.Observer.
func (m *Metrics) CacheStoreAsked(took time.Duration, err error) {
	switch {
	case err == nil:
		m.cacheAsked.at(resultOK).Inc()
		m.cacheAnswers.Observe(took.Seconds())
	case errors.Is(err, store.ErrResting):
		m.cacheAsked.at(storeResting).Inc()
	default:
		m.cacheAsked.at(resultFailed).Inc()
	}
}
