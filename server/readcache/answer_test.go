package readcache_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/server/readcache"
)

func TestTheClientAsksAndTheTenantAllows(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"":                                0,
		"max-age=5":                       5 * time.Second,
		"Max-Age=5":                       5 * time.Second,
		`max-age="5"`:                     5 * time.Second,
		"  max-age = 5 ":                  5 * time.Second,
		"max-stale, max-age=5":            5 * time.Second,
		"max-age=60":                      time.Minute,
		"max-age=61":                      time.Minute,
		"max-age=99999999999999999999999": time.Minute,
		"max-age=7, max-age=3":            3 * time.Second,
		"max-age=0":                       0,
		"max-age":                         0,
		"max-age=":                        0,
		"max-age=-1":                      0,
		"max-age=1.5":                     0,
		"max-age=five":                    0,
		"max-age=5, no-cache":             0,
		"no-store, max-age=5":             0,
		"s-maxage=5":                      0,
		"max-age=5,max-age=x":             0,
	} {
		h := http.Header{"Cache-Control": {header}}
		if got := open(t, nil, nil).MaxAge(record("acme"), h); got != want {
			t.Errorf("%q: %v, not %v", header, got, want)
		}
	}
	h := http.Header{"Cache-Control": {"max-age=5", "no-cache"}}
	if got := open(t, nil, nil).MaxAge(record("acme"), h); got != 0 {
		t.Errorf("the second field is not read: %v", got)
	}
}

func TestTheCacheIsOffUnlessTheTenantHasItOn(t *testing.T) {
	t.Parallel()
	h := http.Header{"Cache-Control": {"max-age=5"}}
	off := record("acme")
	off.Limits.CacheFor = 0
	if got := open(t, nil, nil).MaxAge(off, h); got != 0 {
		t.Errorf("a tenant without cache_for has %v", got)
	}
	if got := open(t, func(cfg *readcache.Config) { cfg.MaxBytes = 0 }, nil).MaxAge(record("acme"), h); got != 0 {
		t.Errorf("a cache of nothing has %v", got)
	}
	var none *readcache.Cache
	if got := none.MaxAge(record("acme"), h); got != 0 {
		t.Errorf("no cache has %v", got)
	}
}

func FuzzMaxAge(f *testing.F) {
	for _, seed := range []string{"max-age=5", `no-cache, max-age="7"`, "max-age=,=,,", "max-age=99999999999999999999"} {
		f.Add(seed)
	}
	c := open(f, nil, nil)
	f.Fuzz(func(t *testing.T, header string) {
		acme := record("acme")
		got := c.MaxAge(acme, http.Header{"Cache-Control": {header}})
		if got < 0 || got > acme.Limits.CacheFor || got%time.Second != 0 {
			t.Errorf("%v", got)
		}
		if again := c.MaxAge(acme, http.Header{"Cache-Control": {header, "no-store"}}); again != 0 {
			t.Errorf("no-store leaves %v", again)
		}
	})
}

func TestAnswersSayWhereTheyComeFrom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d database
		c, k := open(t, nil, nil), reads(record("acme"))
		go get(t, c, k, time.Minute, func(ctx context.Context) ([]byte, error) {
			time.Sleep(time.Second)
			return d.load(ctx)
		})
		synctest.Wait()
		other := readcache.KeyOf(record("acme"), readcache.Read{SQL: "select 2"})
		read, collapsed := get(t, c, other, time.Minute, d.load), get(t, c, k, time.Minute, d.load)
		time.Sleep(1500 * time.Millisecond)
		hit := get(t, c, k, time.Minute, d.load)
		for _, test := range []struct {
			answer      readcache.Answer
			status, age string
		}{
			{read, "poolkeeper; fwd=miss; stored", ""},
			{collapsed, "poolkeeper; fwd=miss; collapsed", ""},
			{hit, "poolkeeper; hit; ttl=57", "2"},
		} {
			h := http.Header{}
			test.answer.Header(h)
			if h.Get("Cache-Status") != test.status || h.Get("Age") != test.age {
				t.Errorf("%s: %v", test.answer.Outcome, h)
			}
		}
	})
}
