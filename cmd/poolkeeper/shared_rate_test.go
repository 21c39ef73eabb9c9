//go:build redis

package main

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/router/admission/storetest"
)

// sharing starts two servers on one control database and one Redis, whose
// tenants may make so many requests a second, and adds a tenant.
func sharing(t *testing.T, redis *storetest.Server, admission string) (here, there *replica, id string) {
	t.Helper()
	path, _ := controlledConfig(t, time.Second)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(text)+fmt.Sprintf("admission: {redis: %q, redis_timeout: 5s, %s}\n", redis.URL(), admission))
	here, there = startReplica(t, path), startReplica(t, path)
	id = "shared" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if status, answer := here.call(t, http.MethodPost, "/v1/tenants", `{"id":"`+id+`","cluster":"main"}`); status != http.StatusCreated {
		t.Fatalf("added: %d %v", status, answer)
	}
	for _, r := range []*replica{here, there} {
		within(t, patience, "the tenant to be served", func() bool { status, _ := r.sql(t, id); return status == http.StatusOK })
	}
	return here, there, id
}

func TestTwoServersShareFiveASecondThroughRedis(t *testing.T) {
	t.Parallel()
	redis := storetest.Start(t)
	here, there, id := sharing(t, redis, "rate: 5, when_redis_fails: closed")
	defer here.leaves(t, id)
	for range 3 {
		// A full bucket, and nothing known of an empty one.
		<-time.After(1100 * time.Millisecond)
		begun := time.Now()
		var passed, refused atomic.Int32
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				switch status, body := []*replica{here, there}[i%2].sql(t, id); status {
				case http.StatusOK:
					passed.Add(1)
				case http.StatusTooManyRequests:
					refused.Add(1)
				default:
					t.Errorf("%d %s", status, body)
				}
			})
		}
		all.Wait()
		// At the end of each fifth of a second there is one more.
		took := time.Since(begun)
		if got, most := passed.Load(), 5+int32(took/(200*time.Millisecond)); got < 5 || got > most || got+refused.Load() != 12 {
			t.Errorf("%d passed and %d were refused in %v", got, refused.Load(), took)
		}
		t.Logf("%d passed in %v", passed.Load(), took)
	}
}

func TestTheSixthIsRefusedByWhicheverServerItComesTo(t *testing.T) {
	t.Parallel()
	redis := storetest.Start(t)
	here, there, id := sharing(t, redis, "rate: 0.001, burst: 7, when_redis_fails: closed") // two were used to look
	defer here.leaves(t, id)
	for i, r := range []*replica{here, there, here, there, here} {
		if status, body := r.sql(t, id); status != http.StatusOK {
			t.Fatalf("request %d: %d %s", i+1, status, body)
		}
	}
	for _, r := range []*replica{here, there} {
		if status, body := r.sql(t, id); status != http.StatusTooManyRequests {
			t.Errorf("%d %s", status, body)
		}
	}
	redis.Stop()
	if status, body := here.sql(t, id); status != http.StatusTooManyRequests { // known without Redis
		t.Errorf("%d %s", status, body)
	}
}

func TestWithoutRedisEachServerHoldsItsOwnLimit(t *testing.T) {
	t.Parallel()
	redis := storetest.Start(t)
	here, there, id := sharing(t, redis, "rate: 0.001, burst: 7, when_redis_fails: open")
	defer here.leaves(t, id)
	redis.Stop()
	for _, r := range []*replica{here, there} {
		passed := 0
		for range 10 {
			status, body := r.sql(t, id)
			if status == http.StatusOK {
				passed++
			} else if status != http.StatusTooManyRequests {
				t.Errorf("%d %s", status, body)
			}
		}
		if passed != 6 { // one was used to look
			t.Errorf("%d passed", passed)
		}
	}
}
