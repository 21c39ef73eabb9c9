package readcache_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission/storetest"
	"github.com/poolkeeper/poolkeeper/server/readcache"
)

// through has a cache share what it reads, with more time than a busy machine
// needs.
func through(t testing.TB, url string, obs readcache.Observer) *readcache.Cache {
	t.Helper()
	return open(t, func(cfg *readcache.Config) { cfg.Redis, cfg.RedisTimeout = registry.NewSecret(url), 5*time.Second }, obs)
}

func TestWhateverRedisAnswersIsAtWorstAMiss(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"nothing":         "$-1\r\n",
		"an error":        "-ERR no\r\n",
		"nonsense":        "+OK\r\n",
		"short":           "$1\r\nx\r\n",
		"of another time": "$10\r\n\xff\xff\xff\xff\xff\xff\xff\xffno\r\n",
		"a number":        ":7\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var d database
			wire := storetest.Listen(t, func([]string) string { return answer })
			c := through(t, wire.URL(), nil)
			for range 3 {
				if a := get(t, c, reads(record("acme")), time.Minute, d.load); string(a.Body) != "answer 1" {
					t.Errorf("got %q", a.Body)
				}
			}
		})
	}
}

func TestADeadRedisCostsAFewWaits(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	wire := storetest.Listen(t, func([]string) string {
		asked.Add(1)
		return ""
	})
	var d database
	var n noted
	c := open(t, func(cfg *readcache.Config) { cfg.Redis = registry.NewSecret(wire.URL()) }, &n)
	began := time.Now()
	for i := range 500 {
		get(t, c, readcache.KeyOf(record("acme"), readcache.Read{SQL: number(i)}), time.Minute, d.load)
	}
	if most := 6 + 2*int32(time.Since(began)/time.Second); asked.Load() > most {
		t.Errorf("asked %d times", asked.Load())
	}
	if len(n.asked) == 0 || n.asked[len(n.asked)-1] == nil {
		t.Errorf("the observer was told of %d questions", len(n.asked))
	}
}

func TestATenantWithADSNIsNotShared(t *testing.T) {
	t.Parallel()
	wire := storetest.Listen(t, func(command []string) string {
		if strings.Contains(strings.Join(command, " "), ":read:") {
			t.Errorf("asked %q", command)
		}
		return "$-1\r\n"
	})
	var d database
	acme := record("acme")
	acme.DSN = registry.NewSecret("postgres://hush@host/db")
	c := through(t, wire.URL(), nil)
	get(t, c, reads(acme), time.Minute, d.load)
	if !get(t, c, reads(acme), time.Minute, d.load).Hit() {
		t.Error("it is not kept here either")
	}
}

func TestAFlushHoldsOnTheOtherServersWhenItReturns(t *testing.T) {
	t.Parallel()
	var number atomic.Pointer[string]
	wire := storetest.Listen(t, func(command []string) string {
		flush := len(command) > 1 && strings.HasSuffix(command[1], ":flushed")
		switch told := number.Load(); {
		case flush && strings.EqualFold(command[0], "set"):
			number.Store(&command[2])
			return "+OK\r\n"
		case flush && told != nil:
			return fmt.Sprintf("$%d\r\n%s\r\n", len(*told), *told)
		}
		return "$-1\r\n"
	})
	var d database
	here, there, acme := through(t, wire.URL(), nil), through(t, wire.URL(), nil), record("acme")
	get(t, there, reads(acme), time.Minute, d.load)
	if err := here.Flush(t.Context(), acme.ID); err != nil {
		t.Fatal(err)
	}
	if a := get(t, there, reads(acme), time.Minute, d.load); string(a.Body) != "answer 2" {
		t.Errorf("the other server gives %q", a.Body)
	}
}

func TestAFlushThatRedisDidNotHearOfIsToldLater(t *testing.T) {
	t.Parallel()
	var dead atomic.Bool
	var told atomic.Int32
	wire := storetest.Listen(t, func(command []string) string {
		switch {
		case dead.Load():
			return "-ERR no\r\n"
		case strings.EqualFold(command[0], "set") && strings.HasSuffix(command[1], ":flushed"):
			told.Add(1)
			return "+OK\r\n"
		case strings.EqualFold(command[0], "get") && strings.HasSuffix(command[1], ":flushed"):
			return "$1\r\n0\r\n" // nothing was flushed, it says
		}
		return "$-1\r\n"
	})
	var d database
	c, acme := through(t, wire.URL(), nil), record("acme")
	get(t, c, reads(acme), time.Minute, d.load)
	dead.Store(true)
	if err := c.Flush(t.Context(), acme.ID); err == nil {
		t.Error("the flush says that all have heard of it")
	}
	if get(t, c, reads(acme), time.Minute, d.load).Hit() {
		t.Error("here it does not hold")
	}
	dead.Store(false)
	for told.Load() == 0 {
		<-time.After(50 * time.Millisecond)
		if a := get(t, c, reads(acme), time.Minute, d.load); string(a.Body) == "answer 1" {
			t.Fatal("the flush was taken back")
		}
	}
	if a := get(t, c, reads(acme), time.Minute, d.load); string(a.Body) != "answer 2" {
		t.Errorf("got %q", a.Body)
	}
}

func TestACacheThatIsClosedGoesOnAlone(t *testing.T) {
	t.Parallel()
	wire := storetest.Listen(t, func([]string) string { return "$-1\r\n" })
	var d database
	c := through(t, wire.URL(), nil)
	c.Close()
	get(t, c, reads(record("acme")), time.Minute, d.load)
	if !get(t, c, reads(record("acme")), time.Minute, d.load).Hit() {
		t.Error("nothing is kept")
	}
}

func BenchmarkHit(b *testing.B) {
	c, k := open(b, nil, nil), reads(record("acme"))
	load := func(context.Context) ([]byte, error) { return make([]byte, 1000), nil }
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Do(b.Context(), k, time.Minute, load); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkKeyOf(b *testing.B) {
	acme := record("acme")
	read := readcache.Read{SQL: strings.Repeat("select ", 20), Params: [][]byte{[]byte("1"), nil}, Form: "raw"}
	b.ReportAllocs()
	for b.Loop() {
		_ = readcache.KeyOf(acme, read)
	}
}
