package metrics_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/metrics"
)

func TestTheDefaultsAreValid(t *testing.T) {
	t.Parallel()
	if err := metrics.Defaults().Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestValidateNamesTheFieldAndSaysWhatIsRight(t *testing.T) {
	t.Parallel()
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprintf("t%d", i)
	}
	cases := map[string]struct {
		change func(*metrics.Config)
		want   string
	}{
		"label unknown":      {func(c *metrics.Config) { c.Label = "some" }, `metrics.label: "some" is none of top, all, none`},
		"label empty":        {func(c *metrics.Config) { c.Label = "" }, `metrics.label: "" is none of top, all, none`},
		"top negative":       {func(c *metrics.Config) { c.Top = -1 }, "metrics.top: -1 is not between 0 and 1000"},
		"top too large":      {func(c *metrics.Config) { c.Top = 1001 }, "metrics.top: 1001 is not between 0 and 1000"},
		"window too short":   {func(c *metrics.Config) { c.Window = time.Millisecond }, "metrics.window: 1ms is too short; use 1s or more"},
		"tenants with none":  {func(c *metrics.Config) { c.Label, c.Tenants = metrics.LabelNone, []string{"acme"} }, "metrics.tenants: has no meaning with label none; remove it or use label top"},
		"tenants with all":   {func(c *metrics.Config) { c.Label, c.Tenants = metrics.LabelAll, []string{"acme"} }, "metrics.tenants: has no meaning with label all; remove it or use label top"},
		"too many tenants":   {func(c *metrics.Config) { c.Tenants = many }, "metrics.tenants: lists 1001 tenants; 1000 is the most"},
		"a tenant twice":     {func(c *metrics.Config) { c.Tenants = []string{"acme", "globex", "acme"} }, `metrics.tenants[2]: "acme" is listed twice`},
		"two fields at once": {func(c *metrics.Config) { c.Top, c.Window = -1, 0 }, "metrics.top: -1 is not between 0 and 1000\nmetrics.window: 0s is too short; use 1s or more"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := metrics.Defaults()
			c.change(&cfg)
			if err := cfg.Validate(); err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestATenantThatIsNoIDIsNamedByItsPlaceInTheList(t *testing.T) {
	t.Parallel()
	cfg := metrics.Defaults()
	cfg.Tenants = []string{"acme", ""}
	err := cfg.Validate()
	if err == nil || err.Error()[:len("metrics.tenants[1]: ")] != "metrics.tenants[1]: " {
		t.Errorf("got %v", err)
	}
}

func TestNewPanicsWithWhatIsWrongWithItsConfig(t *testing.T) {
	t.Parallel()
	defer func() {
		if err, ok := recover().(error); !ok || err.Error()[:len("metrics.label")] != "metrics.label" {
			t.Errorf("panicked with %v", err)
		}
	}()
	metrics.New(metrics.Config{}, metrics.Build{})
}
