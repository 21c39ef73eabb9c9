package admission_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission"
)

func TestFiveASecondLetsFiveThroughAndRefusesTheSixth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := control(t, nil, nil)
		for range 3 { // seconds
			for range 5 {
				admitted(t, c, five())
			}
			r := refusal(t, c, five(), admission.ErrRate)
			if r.RetryAfter != 200*time.Millisecond {
				t.Errorf("come again in %v", r.RetryAfter)
			}
			time.Sleep(r.RetryAfter - time.Microsecond)
			refused(t, c, five(), admission.ErrRate)
			time.Sleep(time.Microsecond)
			admitted(t, c, five())
			refused(t, c, five(), admission.ErrRate)
			time.Sleep(time.Second)
		}
	})
}

func TestOfAThousandAtOnceExactlyTheBurstPasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := control(t, func(cfg *admission.Config) { cfg.Rate, cfg.Burst = 5, 17 }, nil)
		var count atomic.Int32
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if p, err := c.Admit(t.Context(), tenant("acme", registry.Limits{})); err == nil {
					count.Add(1)
					p.Release()
				}
			})
		}
		all.Wait()
		if got := count.Load(); got != 17 {
			t.Errorf("%d passed", got)
		}
	})
}

func TestWhoComesWhenToldToIsAdmittedAndNotBefore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		limits := registry.Limits{
			Rate:  rapid.Float64Range(0.01, 5000).Draw(rt, "rate"),
			Burst: rapid.IntRange(0, 20).Draw(rt, "burst"),
		}
		pauses := rapid.SliceOfN(rapid.IntRange(0, 2_000_000_000), 1, 20).Draw(rt, "pauses")
		synctest.Test(t, func(t *testing.T) {
			c, who := control(t, nil, nil), tenant("acme", limits)
			for _, pause := range pauses {
				time.Sleep(time.Duration(pause))
				var r *admission.Refusal
				for r == nil {
					if _, err := c.Admit(t.Context(), who); err != nil && !errors.As(err, &r) {
						t.Fatal(err)
					}
				}
				if early := r.RetryAfter - r.RetryAfter/1000 - time.Microsecond; early > 0 {
					time.Sleep(early)
					refused(t, c, who, admission.ErrRate)
					time.Sleep(r.RetryAfter - early)
				} else {
					time.Sleep(r.RetryAfter)
				}
				if _, err := c.Admit(t.Context(), who); err != nil {
					t.Errorf("after %v: %v", r.RetryAfter, err)
				}
			}
		})
	})
}

func TestTenantsDoNotShareALimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := control(t, nil, nil)
		if got := passes(t, c, five(), 100); got != 5 {
			t.Errorf("%d passed", got)
		}
		if got := passes(t, c, tenant("globex", registry.Limits{Rate: 5}), 100); got != 5 {
			t.Errorf("of the other %d passed", got)
		}
	})
}

func TestAReaderSharesTheTenantsLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := control(t, nil, nil)
		reader := five()
		reader.ID = reader.ID.Reader()
		if got := passes(t, c, five(), 3) + passes(t, c, reader, 10); got != 5 {
			t.Errorf("%d passed", got)
		}
		refused(t, c, reader, admission.ErrRate)
	})
}

func TestTheRecordsLimitsGoBeforeTheSections(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rate       float64
		burst      int
		own        registry.Limits
		want, most int
	}{
		"none":                          {0, 0, registry.Limits{}, 50, 50},
		"the section's":                 {3, 0, registry.Limits{}, 3, 50},
		"the section's with burst":      {3, 7, registry.Limits{}, 7, 50},
		"the tenant's":                  {3, 7, registry.Limits{Rate: 4}, 4, 50},
		"a fraction is rounded up":      {0, 0, registry.Limits{Rate: 2.1}, 3, 50},
		"less than one a second is one": {0, 0, registry.Limits{Rate: 0.1}, 1, 50},
		"the tenant's burst":            {3, 7, registry.Limits{Burst: 9}, 9, 50},
		"the tenant's both":             {3, 7, registry.Limits{Rate: 2, Burst: 1}, 1, 50},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := control(t, func(cfg *admission.Config) { cfg.Rate, cfg.Burst = test.rate, test.burst }, nil)
				if got := passes(t, c, tenant("acme", test.own), test.most); got != test.want {
					t.Errorf("%d passed, not %d", got, test.want)
				}
			})
		})
	}
}

func TestAChangeOfTheRecordHoldsAtOnceAndGivesNoFreshBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := control(t, nil, nil)
		if got := passes(t, c, five(), 10); got != 5 {
			t.Fatalf("%d passed", got)
		}
		greater := tenant("acme", registry.Limits{Rate: 100, Burst: 1000})
		if r := refusal(t, c, greater, admission.ErrRate); r.RetryAfter != 10*time.Millisecond {
			t.Errorf("come again in %v", r.RetryAfter)
		}
		time.Sleep(50 * time.Millisecond)
		if got := passes(t, c, greater, 10); got != 5 {
			t.Errorf("at the new rate %d passed", got)
		}
		time.Sleep(time.Second) // 100 tokens, which the old burst does not hold
		if got := passes(t, c, five(), 1000); got != 5 {
			t.Errorf("with the old limits again %d passed", got)
		}
		unlimited := tenant("acme", registry.Limits{})
		if got := passes(t, c, unlimited, 1000); got != 1000 {
			t.Errorf("without limits %d passed", got)
		}
		refused(t, c, five(), admission.ErrRate)
	})
}

func TestAsManyAsMayAreUnderWayAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, who := control(t, nil, nil), tenant("acme", registry.Limits{InFlight: 2})
		first, err := c.Admit(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		second, err := c.Admit(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		if r := refusal(t, c, who, admission.ErrInFlight); r.RetryAfter <= 0 {
			t.Errorf("come again in %v", r.RetryAfter)
		}
		first.Release()
		first.Release() // again does nothing
		third, err := c.Admit(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		refused(t, c, who, admission.ErrInFlight)
		time.Sleep(time.Hour) // what is under way is not forgotten
		refused(t, c, who, admission.ErrInFlight)
		fewer := tenant("acme", registry.Limits{InFlight: 1})
		second.Release()
		refused(t, c, fewer, admission.ErrInFlight)
		third.Release()
		admitted(t, c, fewer)
	})
}

// A client that takes no answers must not fill the memory, though nobody has
// thought of a limit.
func TestWhoHasNoLimitOfItsOwnIsBoundedByTheDefault(t *testing.T) {
	t.Parallel()
	most := admission.Defaults().InFlight
	c := control(t, func(cfg *admission.Config) { *cfg = admission.Defaults() }, nil)
	who := tenant("acme", registry.Limits{})
	for range most {
		if _, err := c.Admit(t.Context(), who); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, c, who, admission.ErrInFlight)
	admitted(t, c, tenant("globex", registry.Limits{}))
	admitted(t, c, tenant("acme", registry.Limits{InFlight: most + 1}))
}

func TestARequestThatIsRefusedForWhatIsUnderWayCostsNoToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, who := control(t, nil, nil), tenant("acme", registry.Limits{Rate: 5, InFlight: 1})
		p, err := c.Admit(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			refused(t, c, who, admission.ErrInFlight)
		}
		p.Release()
		if got := passes(t, c, who, 10); got != 4 {
			t.Errorf("%d passed", got)
		}
	})
}

func TestThePassOfNobodyDoesNothing(t *testing.T) {
	t.Parallel()
	var p admission.Pass
	p.Release()
	if policy, limit := fields(&p); policy != "" || limit != "" {
		t.Errorf("it says %q, %q", policy, limit)
	}
}

func TestTheObserverIsToldEachDecision(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n noted
		c := control(t, nil, &n)
		who := tenant("acme", registry.Limits{Rate: 1, Burst: 2, InFlight: 1})
		p, _ := c.Admit(t.Context(), who)
		_, _ = c.Admit(t.Context(), who)
		p.Release()
		_ = passes(t, c, who, 2)
		want := []error{nil, admission.ErrInFlight, nil, admission.ErrRate}
		for i, err := range n.admitted {
			if !errors.Is(err, want[i]) {
				t.Errorf("%d: told %v, not %v", i, err, want[i])
			}
		}
		if len(n.admitted) != len(want) || len(n.asked) != 0 {
			t.Errorf("told %v and %v", n.admitted, n.asked)
		}
	})
}
