package readcache_test

import (
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server/readcache"
)

func TestWhatIsWrongInTheConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*readcache.Config)
		want   string
	}{
		"a negative size":      {func(c *readcache.Config) { c.MaxBytes = -1 }, "cache.max_bytes: is -1; it must be 0 (nothing is kept) or from 1048576"},
		"next to nothing":      {func(c *readcache.Config) { c.MaxBytes = 1 }, "cache.max_bytes: is 1; it must be 0"},
		"no time":              {func(c *readcache.Config) { c.RedisTimeout = 0 }, "cache.redis_timeout: is 0s; it must be from 1ms to 10s"},
		"braces in the prefix": {func(c *readcache.Config) { c.Prefix = "a}" }, `cache.prefix: is "a}"; it must have no space and no brace`},
		"no URL":               {func(c *readcache.Config) { c.Redis = registry.NewSecret("hush hush") }, "cache.redis: is no URL of a Redis or Valkey; write redis://"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := readcache.Defaults()
			test.change(&cfg)
			err := cfg.Validate()
			if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("it says %v", err)
			}
			if _, err := readcache.New(cfg, nil); err == nil {
				t.Error("New takes it")
			}
		})
	}
	for _, url := range []string{"", "env:REDIS", "file:redis", "redis://h", "rediss://u:p@h:1/2", "redis://h:1?addr=i:2"} {
		cfg := readcache.Defaults()
		cfg.Redis = registry.NewSecret(url)
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}
