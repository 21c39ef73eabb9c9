package server_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server"
)

func TestTheDefaultsAreValid(t *testing.T) {
	t.Parallel()
	if err := server.Defaults().Validate(); err != nil {
		t.Error(err)
	}
}

func TestWhatCannotBeServedWithNamesItsFieldAndWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*server.Config){
		`server.listen: "localhost" is not an address; write host:port, such as 127.0.0.1:8080`:              func(c *server.Config) { c.Listen = "localhost" },
		`server.listen: "" is not an address; write host:port, such as 127.0.0.1:8080`:                       func(c *server.Config) { c.Listen = "" },
		`server.listen: ":http" has no port between 0 and 65535`:                                             func(c *server.Config) { c.Listen = ":http" },
		`server.listen: ":65536" has no port between 0 and 65535`:                                            func(c *server.Config) { c.Listen = ":65536" },
		`server.listen: ":0080" has a port with leading zeros`:                                               func(c *server.Config) { c.Listen = ":0080" },
		`server.admin_listen: "x" is not an address; write host:port, such as 127.0.0.1:8080`:                func(c *server.Config) { c.AdminListen = "x" },
		`server.admin_listen: 127.0.0.1:8080 is the data listener's address too; give it another port`:       func(c *server.Config) { c.AdminListen = c.Listen },
		`server.admin_listen: :8081 can be reached from other machines; use a loopback address`:              func(c *server.Config) { c.AdminListen = ":8081" },
		`server.admin_listen: 0.0.0.0:8081 can be reached from other machines; use a loopback address`:       func(c *server.Config) { c.AdminListen = "0.0.0.0:8081" },
		`server.admin_listen: [::]:8081 can be reached from other machines; use a loopback address`:          func(c *server.Config) { c.AdminListen = "[::]:8081" },
		`server.admin_listen: db.example.com:1 can be reached from other machines; use a loopback address`:   func(c *server.Config) { c.AdminListen = "db.example.com:1" },
		`server.read_header_timeout: 0s is no time to wait; write a positive duration such as 30s`:           func(c *server.Config) { c.ReadHeaderTimeout = 0 },
		`server.read_timeout: -1s is no time to wait; write a positive duration such as 30s`:                 func(c *server.Config) { c.ReadTimeout = -time.Second },
		`server.idle_timeout: 0s is no time to wait; write a positive duration such as 30s`:                  func(c *server.Config) { c.IdleTimeout = 0 },
		`server.write_timeout: 0s is no time to wait; write a positive duration such as 30s`:                 func(c *server.Config) { c.WriteTimeout = 0 },
		`server.drain_timeout: 0s is no time to wait; write a positive duration such as 30s`:                 func(c *server.Config) { c.DrainTimeout = 0 },
		`server.not_ready: -1ns is negative; write 0s or more`:                                               func(c *server.Config) { c.NotReady = -1 },
		`server.max_header_bytes: 100 is not between 4096 and 16777216 bytes`:                                func(c *server.Config) { c.MaxHeaderBytes = 100 },
		`server.sql.max_body: 0 is not between 1024 and 1073741824 bytes`:                                    func(c *server.Config) { c.SQL.MaxBody = 0 },
		`server.sql.max_result: -1 is not between 1024 and 1073741824 bytes`:                                 func(c *server.Config) { c.SQL.MaxResult = -1 },
		`server.sql.timeout: 0s is no time to wait; write a positive duration such as 30s`:                   func(c *server.Config) { c.SQL.Timeout = 0 },
		`server.sql.errors: "polite" is neither honest nor neon`:                                             func(c *server.Config) { c.SQL.Errors = "polite" },
		"server.listen: \"x\" is not an address; write host:port, such as 127.0.0.1:8080\nserver.sql.errors": func(c *server.Config) { c.Listen, c.SQL.Errors = "x", "" },
	} {
		cfg := server.Defaults()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if _, err := server.New(cfg, server.Deps{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: got %v", err)
		}
	}
}

func TestWhatCanBeServedWith(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*server.Config){
		"every interface":           func(c *server.Config) { c.Listen = ":8080" },
		"IPv6":                      func(c *server.Config) { c.Listen, c.AdminListen = "[::1]:8080", "[::1]:8081" },
		"a name for this machine":   func(c *server.Config) { c.AdminListen = "localhost:8081" },
		"no admin listener":         func(c *server.Config) { c.AdminListen = "" },
		"free ports":                func(c *server.Config) { c.Listen, c.AdminListen = "127.0.0.1:0", "127.0.0.1:0" },
		"outer admin with a token":  func(c *server.Config) { c.AdminListen, c.ScrapeToken = ":8081", registry.NewSecret("token") },
		"not ready for no time":     func(c *server.Config) { c.NotReady = 0 },
		"errors that the SDK reads": func(c *server.Config) { c.SQL.Errors = server.ErrorsNeon },
	} {
		cfg := server.Defaults()
		change(&cfg)
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNewWantsItsParts(t *testing.T) {
	t.Parallel()
	cfg := router.Defaults()
	cfg.Resolvers = []string{"path"}
	rt, err := router.New(cfg, router.Deps{Tenants: demoRecords(), Pools: noPools{}})
	if err != nil {
		t.Fatal(err)
	}
	whole := server.Deps{Router: rt, Keeper: &fakeKeeper{}, Registry: demoRecords()}
	for name, without := range map[string]func(*server.Deps){
		"router": func(d *server.Deps) { d.Router = nil }, "keeper": func(d *server.Deps) { d.Keeper = nil }, "registry": func(d *server.Deps) { d.Registry = nil },
	} {
		deps := whole
		without(&deps)
		if _, err := server.New(server.Defaults(), deps); !errors.Is(err, server.ErrDeps) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	s, err := server.New(server.Defaults(), whole) // no log, no observer, no metrics
	if err != nil {
		t.Fatal(err)
	}
	if r := send(t, s.Handler(), "GET", "/livez", nil); r.status != 200 {
		t.Errorf("status %d", r.status)
	}
}

func TestTheScrapeTokenIsNotPrinted(t *testing.T) {
	t.Parallel()
	cfg := server.Defaults()
	cfg.ScrapeToken = registry.NewSecret("scrape-token")
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("config", "server", cfg)
	if strings.Contains(log.String(), "scrape-token") {
		t.Error(log.String())
	}
}
