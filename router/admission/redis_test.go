//go:build redis

package admission_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission"
	"github.com/poolkeeper/poolkeeper/router/admission/store"
	"github.com/poolkeeper/poolkeeper/router/admission/storetest"
)

func TestTwoServersShareFiveASecondExactly(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	here, there := through(t, server.URL(), admission.FailClosed, nil), through(t, server.URL(), admission.FailClosed, nil)
	settle(t, server, here, there)
	begun := time.Now()
	var count atomic.Int32
	var all sync.WaitGroup
	for i := range 200 {
		c := []*admission.Control{here, there}[i%2]
		all.Go(func() {
			if p, err := c.Admit(t.Context(), five()); err == nil {
				p.Release()
				count.Add(1)
			}
		})
	}
	all.Wait()
	took := time.Since(begun)
	// At the end of a fifth of a second there is one more.
	if got, most := count.Load(), 5+int32(took/(200*time.Millisecond)); got < 5 || got > most {
		t.Errorf("%d passed in %v", got, took)
	}
}

// settle has both be connected, which takes its time on a busy machine.
func settle(t *testing.T, server *storetest.Server, controls ...*admission.Control) {
	t.Helper()
	for _, c := range controls {
		admitted(t, c, tenant("else", registry.Limits{Rate: 1000}))
	}
	server.Client(t).FlushAll(t.Context())
}

func TestTwoServersRefuseTheSixthAndSayWhenToComeAgain(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	here, there := through(t, server.URL(), admission.FailClosed, nil), through(t, server.URL(), admission.FailClosed, nil)
	settle(t, server, here, there)
	if got := passes(t, here, slow(), 3) + passes(t, there, slow(), 3); got != 5 {
		t.Fatalf("%d passed", got)
	}
	for _, c := range []*admission.Control{here, there} {
		r := refusal(t, c, slow(), admission.ErrRate)
		if r.RetryAfter > 1000*time.Second+time.Millisecond || r.RetryAfter < 900*time.Second {
			t.Errorf("come again in %v", r.RetryAfter)
		}
	}
	ttl := server.Client(t).PTTL(t.Context(), "poolkeeper:{acme}:rate").Val()
	if ttl > 5001*time.Second || ttl < 4900*time.Second {
		t.Errorf("the bucket is kept for %v", ttl)
	}
}

func TestWhoComesWhenTheSharedBucketSaysIsAdmitted(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	here, there := through(t, server.URL(), admission.FailClosed, nil), through(t, server.URL(), admission.FailClosed, nil)
	settle(t, server, here, there)
	who := tenant("acme", registry.Limits{Rate: 20, Burst: 3})
	if got := passes(t, there, who, 3); got != 3 {
		t.Fatalf("%d passed", got)
	}
	for range 10 {
		_, err := here.Admit(t.Context(), who)
		if err == nil {
			continue // a token came in between
		}
		r := refusal(t, here, who, admission.ErrRate)
		if r.RetryAfter > 51*time.Millisecond {
			t.Errorf("come again in %v", r.RetryAfter)
		}
		<-time.After(r.RetryAfter)
		admitted(t, here, who)
	}
}

func TestTheSharedBucketGoesAwayByItself(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	c := through(t, server.URL(), admission.FailClosed, nil)
	admitted(t, c, tenant("acme", registry.Limits{Rate: 50}))
	client := server.Client(t)
	for client.DBSize(t.Context()).Val() != 0 {
		<-time.After(5 * time.Millisecond)
	}
}

// What one tenant's name has there must not look like an outage to the others.
func TestWhatIsNoBucketIsWrittenOver(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	c, client := through(t, server.URL(), admission.FailClosed, nil), server.Client(t)
	settle(t, server, c)
	const key = "poolkeeper:{acme}:rate"
	for name, put := range map[string]func() error{
		"a list":     func() error { return client.LPush(t.Context(), key, "x").Err() },
		"four texts": func() error { return client.Set(t.Context(), key, "x y z w", 0).Err() },
		"a text":     func() error { return client.Set(t.Context(), key, "x", 0).Err() },
	} {
		if err := errors.Join(client.Del(t.Context(), key).Err(), put()); err != nil {
			t.Fatal(err)
		}
		admitted(t, c, tenant("acme", registry.Limits{Rate: 1000}))
		if kind := client.Type(t.Context(), key).Val(); kind == "list" {
			t.Errorf("%s is still there", name)
		}
	}
}

func TestAChangeOfTheRecordGivesNoFreshBurstInTheSharedBucket(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	first := through(t, server.URL(), admission.FailClosed, nil)
	if got := passes(t, first, slow(), 10); got != 5 {
		t.Fatalf("%d passed", got)
	}
	for name, limits := range map[string]registry.Limits{
		"more burst": {Rate: 0.001, Burst: 500},
		"more rate":  {Rate: 0.1, Burst: 5},
		"less burst": {Rate: 0.001, Burst: 1},
	} {
		fresh := through(t, server.URL(), admission.FailClosed, nil) // whose own bucket is full
		if got := passes(t, fresh, tenant("acme", limits), 10); got != 0 {
			t.Errorf("%s: %d passed", name, got)
		}
	}
}

func TestTheTimeBeforeAGreaterRateCountsAtTheOldOne(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	if got := passes(t, through(t, server.URL(), admission.FailClosed, nil), slow(), 10); got != 5 {
		t.Fatalf("%d passed", got)
	}
	<-time.After(50 * time.Millisecond)
	fresh := through(t, server.URL(), admission.FailClosed, nil)
	refused(t, fresh, tenant("acme", registry.Limits{Rate: 1000, Burst: 5}), admission.ErrRate)
}

func TestAServerThatIsGoneLeavesTheOwnLimit(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	var n noted
	open, closed := through(t, server.URL(), admission.FailOpen, &n), through(t, server.URL(), admission.FailClosed, nil)
	settle(t, server, open, closed)
	server.Stop()
	if got := passes(t, open, slow(), 20); got != 5 {
		t.Errorf("%d passed", got)
	}
	for range 10 {
		refused(t, closed, slow(), admission.ErrStore)
	}

	server.Start(t)
	for back := false; !back; {
		<-time.After(store.Rest / 10)
		_, err := closed.Admit(t.Context(), tenant("probe", registry.Limits{Rate: 1000}))
		back = err == nil
	}
	if got := passes(t, closed, slow(), 20); got != 5 {
		t.Errorf("when it was back %d passed", got)
	}
	if server.Client(t).Exists(t.Context(), "poolkeeper:{acme}:rate").Val() != 1 {
		t.Error("the server is not asked again")
	}
}

func TestANodeOfAClusterSharesToo(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")
	client := server.Client(t)
	if err := client.Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(client.ClusterInfo(t.Context()).Val(), "cluster_state:ok") {
		<-time.After(10 * time.Millisecond)
	}
	url := strings.TrimSuffix(server.URL(), "/0") + "?addr=" + server.Addr()
	here, there := through(t, url, admission.FailClosed, nil), through(t, url, admission.FailClosed, nil)
	if got := passes(t, here, slow(), 3) + passes(t, there, slow(), 3); got != 5 {
		t.Errorf("%d passed", got)
	}
}

// TestTheScriptAgreesWithTheOwnBucket compares one Control that has the server
// with one that has not, under the same requests.
func TestTheScriptAgreesWithTheOwnBucket(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		burst := 1 + random.IntN(10)
		limits := registry.Limits{Rate: 0.0001 + random.Float64()/1000, Burst: burst}
		if got := passes(t, through(t, server.URL(), admission.FailClosed, nil), tenant("acme", limits), 12); got != burst {
			t.Errorf("of %+v %d passed", limits, got)
		}
		server.Client(t).FlushAll(t.Context())
	}
}
