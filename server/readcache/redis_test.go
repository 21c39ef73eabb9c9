//go:build redis

package readcache_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/router/admission/storetest"
	"github.com/poolkeeper/poolkeeper/server/readcache"
)

func TestWhatOneServerReadTheOthersFind(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	here, there := through(t, server.URL(), nil), through(t, server.URL(), nil)
	var d database
	k := reads(record("acme"))
	get(t, here, k, time.Minute, func(ctx context.Context) ([]byte, error) {
		<-time.After(50 * time.Millisecond)
		return d.load(ctx)
	})
	a := get(t, there, k, time.Minute, d.load)
	if string(a.Body) != "answer 1" || a.Outcome != readcache.Shared || a.Age < 50*time.Millisecond || a.Age > 20*time.Second {
		t.Errorf("got %q, %s, %v old", a.Body, a.Outcome, a.Age)
	}
	if a := get(t, there, k, time.Minute, d.load); a.Outcome != readcache.Hit {
		t.Errorf("then %s", a.Outcome)
	}
	third := through(t, server.URL(), nil)
	if a := get(t, third, k, time.Millisecond, d.load); a.Hit() {
		t.Errorf("an answer that is %v old", a.Age)
	}
	other := record("acme")
	other.Database = "elsewhere"
	if a := get(t, through(t, server.URL(), nil), reads(other), time.Minute, d.load); a.Hit() {
		t.Error("a record of the same version that leads elsewhere gets it")
	}
	for _, name := range server.Client(t).Keys(t.Context(), "*").Val() {
		if ttl := server.Client(t).PTTL(t.Context(), name).Val(); !strings.HasPrefix(name, "poolkeeper:{acme}:") || ttl <= 0 || ttl > time.Minute {
			t.Errorf("%s is kept for %v", name, ttl)
		}
	}
}

func TestAFlushReachesTheOtherServers(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	here, there := through(t, server.URL(), nil), through(t, server.URL(), nil)
	var d database
	acme := record("acme")
	k := reads(acme)
	get(t, here, k, time.Minute, d.load)
	get(t, there, k, time.Minute, d.load)
	if err := here.Flush(t.Context(), acme.ID); err != nil {
		t.Fatal(err)
	}
	if a := get(t, here, k, time.Minute, d.load); string(a.Body) != "answer 2" {
		t.Errorf("here: %q", a.Body)
	}
	began := time.Now()
	for string(get(t, there, k, time.Minute, d.load).Body) != "answer 2" {
		if time.Since(began) > 20*time.Second {
			t.Fatal("there it has not come")
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Logf("heard of after %v", time.Since(began))
	if d.asked.Load() != 2 {
		t.Errorf("the database was asked %d times", d.asked.Load())
	}
	if string(get(t, through(t, server.URL(), nil), k, time.Minute, d.load).Body) != "answer 2" {
		t.Error("a server that starts later does not know of the flush")
	}
}

func TestARedisThatIsGoneCostsOnlyMisses(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	c := through(t, server.URL(), nil)
	var d database
	k := reads(record("acme"))
	get(t, c, k, time.Minute, d.load)
	server.Stop()
	if a := get(t, c, k, time.Minute, d.load); !a.Hit() {
		t.Error("what is kept here is not served")
	}
	if a := get(t, c, reads(record("globex")), time.Minute, d.load); string(a.Body) != "answer 2" {
		t.Errorf("got %q", a.Body)
	}
	server.Start(t)
	for server.Client(t).DBSize(t.Context()).Val() == 0 {
		<-time.After(100 * time.Millisecond)
		get(t, c, reads(record("initech")), time.Nanosecond, d.load)
	}
}
