package pools_test

import (
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestABadSettingIsNamedWithWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	for want, edit := range map[string]func(*pools.Config){
		"clusters: name at least one":                       func(c *pools.Config) { c.Clusters = nil },
		`pools.sql: "maybe" is neither`:                     func(c *pools.Config) { c.SQL = "maybe" },
		"pools.row_setting: \"Tenant\" is no custom":        func(c *pools.Config) { c.RowSetting = "Tenant" },
		"pools.search_path_tail: a schema's name is empty":  func(c *pools.Config) { c.SearchPathTail = []string{""} },
		"pools.max_pools: 0 is not between 1 and 1048576":   func(c *pools.Config) { c.MaxPools = 0 },
		"pools.max_conns: 20000 is not between":             func(c *pools.Config) { c.MaxConns = 20_000 },
		"pools.queue: -1 is not between":                    func(c *pools.Config) { c.Queue = -1 },
		"pools.statement_cache: -1 is not":                  func(c *pools.Config) { c.StatementCache = -1 },
		"pools.prepare_timeout: 0s is too short":            func(c *pools.Config) { c.PrepareTimeout = 0 },
		"pools.idle_after: 0s is too short":                 func(c *pools.Config) { c.IdleAfter = 0 },
		"pools.statement_timeout: -1s is too short":         func(c *pools.Config) { c.StatementTimeout = -time.Second },
		"pools.backoff_max: 1ms is too short; at least 100": func(c *pools.Config) { c.BackoffMax = time.Millisecond },
		"clusters.main.dsn: not a PostgreSQL": func(c *pools.Config) {
			c.Clusters = map[string]registry.Cluster{"main": {DSN: registry.NewSecret("postgres://u:hush@:x/")}}
		},
	} {
		cfg := pools.Defaults()
		cfg.Clusters = map[string]registry.Cluster{"main": {DSN: registry.NewSecret("postgres://u:hush@127.0.0.1/db")}}
		edit(&cfg)
		_, err := pools.New(cfg, &records{}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
}
