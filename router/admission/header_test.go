package admission_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission"
)

func TestPassesAndRefusalsSayWhatIsLeft(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		limits registry.Limits
		policy string
		want   []string // of each request in turn, until one is refused
	}{
		"five a second": {
			registry.Limits{Rate: 5},
			`"default";q=5;w=1`,
			[]string{
				`"default";r=4;t=1`, `"default";r=3;t=1`, `"default";r=2;t=1`,
				`"default";r=1;t=1`, `"default";r=0;t=1`, `"default";r=0;t=1`,
			},
		},
		"a burst of its own": {
			registry.Limits{Rate: 0.5, Burst: 3},
			`"default";q=3;w=6`,
			[]string{`"default";r=2;t=2`, `"default";r=1;t=4`, `"default";r=0;t=2`, `"default";r=0;t=2`},
		},
		"a fraction": {
			registry.Limits{Rate: 1.5},
			`"default";q=2;w=2`,
			[]string{`"default";r=1;t=1`, `"default";r=0;t=1`, `"default";r=0;t=1`},
		},
		"hardly ever": {
			registry.Limits{Rate: 1e-300},
			`"default";q=1;w=999999999999999`,
			[]string{`"default";r=0;t=31536000`, `"default";r=0;t=31536000`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, who := control(t, nil, nil), tenant("acme", test.limits)
				last := len(test.want) - 1
				for i, want := range test.want[:last] {
					p, err := c.Admit(t.Context(), who)
					if err != nil {
						t.Fatal(err)
					}
					if policy, limit := fields(p); policy != test.policy || limit != want {
						t.Errorf("%d: %s, %s", i, policy, limit)
					}
					p.Release()
				}
				r := refusal(t, c, who, admission.ErrRate)
				if policy, limit := fields(r); policy != test.policy || limit != test.want[last] {
					t.Errorf("refused: %s, %s", policy, limit)
				}
				if r.RetryAfter > 366*24*time.Hour {
					t.Errorf("come again in %v", r.RetryAfter)
				}
			})
		})
	}
}

func TestARefusalForWhatIsUnderWaySpeaksOfTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, who := control(t, nil, nil), tenant("acme", registry.Limits{Rate: 5, InFlight: 1})
		p, err := c.Admit(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Release()
		if _, limit := fields(refusal(t, c, who, admission.ErrInFlight)); limit != `"default";r=4;t=1` {
			t.Error(limit)
		}
		bare := tenant("globex", registry.Limits{InFlight: 1})
		q, err := c.Admit(t.Context(), bare)
		if err != nil {
			t.Fatal(err)
		}
		defer q.Release()
		if policy, limit := fields(refusal(t, c, bare, admission.ErrInFlight)); policy+limit != "" {
			t.Errorf("without a rate: %s %s", policy, limit)
		}
	})
}
