package metrics_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/router/admission/store"
	"github.com/poolkeeper/poolkeeper/server/readcache"
)

func TestCachedReadsAreCountedByWhereTheAnswerCameFrom(t *testing.T) {
	t.Parallel()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	for _, how := range []readcache.Outcome{readcache.Hit, readcache.Shared, readcache.Collapsed, readcache.Miss} {
		for n := range 2 { // the series is there before its first event
			if line := fmt.Sprintf("poolkeeper_cache_reads_total{outcome=%q} %d\n", how, n); !strings.Contains(exposition(t, m), line) {
				t.Errorf("no line %s", line)
			}
			m.CacheRead(how)
		}
	}
}

func TestOnlyAnswersOfTheCachesStoreAreTimed(t *testing.T) {
	t.Parallel()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	m.CacheStoreAsked(time.Second, nil)
	m.CacheStoreAsked(0, store.ErrResting)
	m.CacheStoreAsked(time.Second, errors.New("refused"))
	got := exposition(t, m)
	for _, line := range []string{
		`poolkeeper_cache_store_requests_total{outcome="ok"} 1`,
		`poolkeeper_cache_store_requests_total{outcome="resting"} 1`,
		`poolkeeper_cache_store_requests_total{outcome="failed"} 1`,
		`poolkeeper_cache_store_duration_seconds_count 1`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}
