package readcache_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/server/readcache"
)

// A read that is under way may have begun too long ago, and what was found for
// somebody else may be older than this one allows.
func TestNobodyWaitsForAnAnswerThatIsTooOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d database
		c, k := open(t, nil, nil), reads(record("acme"))
		slowly := func(ctx context.Context) ([]byte, error) {
			time.Sleep(10 * time.Second)
			return d.load(ctx)
		}
		go get(t, c, k, time.Minute, slowly)
		time.Sleep(2 * time.Second)
		early := make(chan readcache.Answer)
		go func() { early <- get(t, c, k, 3*time.Second, d.load) }()
		time.Sleep(5 * time.Second)
		late := make(chan readcache.Answer)
		for range 2 {
			go func() { late <- get(t, c, k, 3*time.Second, slowly) }()
		}
		if a := <-early; string(a.Body) != "answer 1" || a.Outcome != readcache.Collapsed {
			t.Errorf("the early one gets %q, %s", a.Body, a.Outcome)
		}
		for range 2 { // one reads, and the other takes what was not begun before it came
			if a := <-late; string(a.Body) != "answer 2" {
				t.Errorf("a late one gets %q, %s", a.Body, a.Outcome)
			}
		}
	})
}
