package admission_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission"
	"github.com/poolkeeper/poolkeeper/router/admission/store"
	"github.com/poolkeeper/poolkeeper/router/admission/storetest"
)

// through has a Control share its rates through a server at url, with more
// time than a busy machine needs.
func through(t testing.TB, url, fails string, obs admission.Observer) *admission.Control {
	t.Helper()
	return control(t, func(cfg *admission.Config) {
		cfg.Redis, cfg.WhenRedisFails, cfg.RedisTimeout = registry.NewSecret(url), fails, 5*time.Second
	}, obs)
}

// slow has five tokens that come so slowly that none does in a test.
func slow() *registry.Tenant { return tenant("acme", registry.Limits{Rate: 0.001, Burst: 5}) }

const (
	refusing = "*2\r\n:0\r\n$4\r\n0.25\r\n"
	passing  = "*2\r\n:1\r\n$4\r\n2.75\r\n"
)

func TestTheSharedBucketIsAskedInOneRoundTripUnderTheTenantsKey(t *testing.T) {
	t.Parallel()
	var commands atomic.Pointer[[]string]
	wire := storetest.Listen(t, func(command []string) string {
		commands.Store(&command)
		return passing
	})
	c := through(t, wire.URL(), admission.FailClosed, nil)
	p, err := c.Admit(t.Context(), slow())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Release()
	got := *commands.Load()
	if len(got) != 6 || got[0] != "evalsha" || strings.Join(got[2:], " ") != "1 poolkeeper:{acme}:rate 0.001 5" {
		t.Errorf("asked %q", got)
	}
	if _, limit := fields(p); limit != `"default";r=2;t=2250` {
		t.Errorf("the shared bucket's state is not told: %s", limit)
	}
}

func TestAServerThatDoesNotKnowTheScriptIsToldIt(t *testing.T) {
	t.Parallel()
	wire := storetest.Listen(t, func(command []string) string {
		if command[0] == "eval" && strings.Contains(command[1], "redis.call('TIME')") {
			return passing
		}
		return "-NOSCRIPT No matching script. Please use EVAL.\r\n"
	})
	admitted(t, through(t, wire.URL(), admission.FailClosed, nil), slow())
}

func TestWhatTheSharedBucketRefusesIsRefusedUntilItHasATokenAgain(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	wire := storetest.Listen(t, func([]string) string {
		asked.Add(1)
		return refusing
	})
	c := through(t, wire.URL(), admission.FailOpen, nil)
	for range 100 {
		r := refusal(t, c, slow(), admission.ErrRate)
		if r.RetryAfter > 750*time.Second+time.Microsecond || r.RetryAfter < 700*time.Second {
			t.Fatalf("come again in %v", r.RetryAfter)
		}
		if _, limit := fields(r); limit != `"default";r=0;t=750` && !strings.HasPrefix(limit, `"default";r=0;t=7`) {
			t.Fatal(limit)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the server was asked %d times for a token that it cannot have", n)
	}
	faster := tenant("acme", registry.Limits{Rate: 0.002, Burst: 5})
	refused(t, c, faster, admission.ErrRate)
	if n := asked.Load(); n != 2 {
		t.Errorf("with other limits it was asked %d times", n)
	}
}

func TestARequestThatTheSharedBucketRefusesCostsNothingHere(t *testing.T) {
	t.Parallel()
	var refuses atomic.Bool
	wire := storetest.Listen(t, func([]string) string {
		if refuses.Load() {
			return "*2\r\n:0\r\n$8\r\n0.999999\r\n" // for next to no time
		}
		return passing
	})
	c := through(t, wire.URL(), admission.FailOpen, nil)
	who := tenant("acme", registry.Limits{Rate: 0.001, Burst: 5, InFlight: 1})
	refuses.Store(true)
	for range 20 {
		r := refusal(t, c, who, admission.ErrRate)
		<-time.After(r.RetryAfter)
	}
	refuses.Store(false)
	if got := passes(t, c, who, 10); got != 5 {
		t.Errorf("%d passed", got)
	}
}

func TestTheOwnLimitHoldsWhateverTheSharedOneSays(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"yes": passing, "an error": "-ERR no\r\n", "nonsense": "+OK\r\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wire := storetest.Listen(t, func([]string) string { return answer })
			c := through(t, wire.URL(), admission.FailOpen, nil)
			if got := passes(t, c, slow(), 20); got != 5 {
				t.Errorf("%d passed", got)
			}
		})
	}
}

func TestAStoreThatFailsRefusesWhenItIsToldToAndCostsNoToken(t *testing.T) {
	t.Parallel()
	var fails atomic.Bool
	fails.Store(true)
	wire := storetest.Listen(t, func([]string) string {
		if fails.Load() {
			return "*2\r\n:1\r\n$4\r\nhush\r\n" // no number
		}
		return passing
	})
	var n noted
	c := through(t, wire.URL(), admission.FailClosed, &n)
	for range 20 {
		r := refusal(t, c, slow(), admission.ErrStore)
		if r.RetryAfter != store.Rest {
			t.Errorf("come again in %v", r.RetryAfter)
		}
	}
	fails.Store(false)
	if got := passes(t, c, slow(), 20); got != 5 {
		t.Errorf("%d passed", got)
	}
	if err := n.askings()[0]; err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("the observer is told %v", err)
	}
}

func TestADeadStoreCostsAFewWaitsAndNotOneForEachRequest(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	wire := storetest.Listen(t, func([]string) string {
		asked.Add(1)
		return ""
	})
	var n noted
	c := control(t, func(cfg *admission.Config) { cfg.Redis = registry.NewSecret(wire.URL()) }, &n)
	who := tenant("acme", registry.Limits{Rate: 1000})
	begun := time.Now()
	if got := passes(t, c, who, 900); got != 900 {
		t.Errorf("%d passed", got)
	}
	took := time.Since(begun)
	if got, most := asked.Load(), 3+int32(took/store.Rest); got > most {
		t.Errorf("asked %d times in %v", got, took)
	}
	resting := 0
	for _, err := range n.askings() {
		if errors.Is(err, store.ErrResting) {
			resting++
		}
	}
	if most := 10 + int(took/store.Rest); resting < 900-most || resting == 900 { // those that waited may have ended before the store heard of them
		t.Errorf("the observer heard of %d that were decided alone", resting)
	}
}

func TestAControlThatIsClosedStillHoldsTheOwnLimit(t *testing.T) {
	t.Parallel()
	wire := storetest.Listen(t, func([]string) string { return passing })
	c := through(t, wire.URL(), admission.FailOpen, nil)
	c.Close()
	if got := passes(t, c, slow(), 20); got != 5 {
		t.Errorf("%d passed", got)
	}
}
