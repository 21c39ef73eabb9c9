package admission_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission"
)

func TestWhatIsWrongInTheConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*admission.Config)
		want   string
	}{
		"a negative rate":       {func(c *admission.Config) { c.Rate = -1 }, "admission.rate: is -1; it must be from 0 (no limit)"},
		"no number":             {func(c *admission.Config) { c.Rate = math.NaN() }, "admission.rate: is NaN"},
		"an endless rate":       {func(c *admission.Config) { c.Rate = math.Inf(1) }, "admission.rate: is +Inf"},
		"a negative burst":      {func(c *admission.Config) { c.Rate, c.Burst = 1, -1 }, "admission.burst: is -1; it must be from 0"},
		"a burst of nothing":    {func(c *admission.Config) { c.Burst = 3 }, "admission.burst: is 3, but admission.rate is 0; give both or none"},
		"a negative count":      {func(c *admission.Config) { c.InFlight = -1 }, "admission.in_flight: is -1; it must be from 0 (no limit)"},
		"no time":               {func(c *admission.Config) { c.RedisTimeout = 0 }, "admission.redis_timeout: is 0s; it must be from 1ms to 10s"},
		"too much time":         {func(c *admission.Config) { c.RedisTimeout = time.Minute }, "admission.redis_timeout: is 1m0s"},
		"neither way":           {func(c *admission.Config) { c.WhenRedisFails = "ajar" }, `admission.when_redis_fails: is "ajar"; it must be open or closed`},
		"braces in the prefix":  {func(c *admission.Config) { c.Prefix = "{x}" }, `admission.prefix: is "{x}"; it must have no space and no brace`},
		"no URL":                {func(c *admission.Config) { c.Redis = registry.NewSecret("hush hush") }, "admission.redis: is no URL of a Redis or Valkey; write redis://"},
		"another's URL":         {func(c *admission.Config) { c.Redis = registry.NewSecret("postgres://a:hush@b/c") }, "admission.redis: is no URL"},
		"a database of no name": {func(c *admission.Config) { c.Redis = registry.NewSecret("redis://a:hush@b/hush") }, "admission.redis: is no URL"},
		"an unknown option":     {func(c *admission.Config) { c.Redis = registry.NewSecret("redis://a:hush@b/0?hush=1") }, "admission.redis: is no URL"},
		"a bad cluster":         {func(c *admission.Config) { c.Redis = registry.NewSecret("redis://a:hush@b?addr=c:1&hush=1") }, "admission.redis: is no URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := admission.Defaults()
			test.change(&cfg)
			err := cfg.Validate()
			if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("it says %v", err)
			}
			if _, err := admission.New(cfg, nil); err == nil {
				t.Error("New takes it")
			}
		})
	}
}

func TestTheDefaultsLimitNothing(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "env:REDIS", "file:redis", "redis://h", "rediss://u:p@h:1/2?pool_size=3", "redis://h:1?addr=i:2"} {
		cfg := admission.Defaults()
		cfg.Redis = registry.NewSecret(url)
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	c := control(t, nil, nil)
	if got := passes(t, c, tenant("acme", registry.Limits{}), 1000); got != 1000 {
		t.Errorf("%d passed", got)
	}
}
