package config

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/admission"
	"github.com/poolkeeper/poolkeeper/router/token"
	"github.com/poolkeeper/poolkeeper/server"
	"github.com/poolkeeper/poolkeeper/server/readcache"
)

// Config is everything that the file and the environment say. Each section is
// the Config that its package declares, documents and validates.
type Config struct {
	Server server.Config
	Router router.Config
	JWT    token.Config
	// Cache keeps answers to reads.
	Cache readcache.Config
	// Admission are the limits of tenants that have none of their own.
	Admission admission.Config
	Pools     pools.Config
	Registry  registry.Config
	Control   control.Config
	Metrics   metrics.Config
	Onboard   onboard.Config
	Log       Log

	// Clusters are the PostgreSQL servers by name. Pools.Clusters is the same
	// map.
	Clusters map[string]registry.Cluster
	// TenantsDir is a folder of further files with tenants, relative to the
	// file; "" means none.
	TenantsDir string
	// Plans are those of the file, at the moment of loading.
	Plans map[string]registry.Plan
	// Tenants are the records of the file and of TenantsDir at the moment of
	// loading. A program that serves reads them through registry's file
	// source instead, which follows changes.
	Tenants []*registry.Tenant
	// Documents are the file and those of TenantsDir, as they were loaded.
	Documents []registry.Document

	path    string
	origins map[string]Origin
}

// Log says what the program writes about itself, and how.
type Log struct {
	// Level is the least important one that is written: debug, info, warn or
	// error. Default info.
	Level string
	// Format is text (for people) or json (for programs). Default text.
	Format string
}

// LogDefaults are the defaults of the log section.
func LogDefaults() Log { return Log{Level: "info", Format: "text"} }

// Validate names the field and what it may be.
func (l Log) Validate() error {
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, l.Level) {
		return fmt.Errorf("log: level: %q is none of debug, info, warn, error", l.Level)
	}
	if l.Format != "text" && l.Format != "json" {
		return fmt.Errorf("log: format: %q is neither text nor json", l.Format)
	}
	return nil
}

// SlogLevel is Level as log/slog knows it; info for what Validate refuses.
func (l Log) SlogLevel() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		return slog.LevelInfo
	}
	return level
}

// Origin says where the value of a setting comes from.
type Origin string

// The origins. Env is followed by the variable's name.
const (
	FromDefault Origin = "default"
	FromFile    Origin = "file"
	FromEnv     Origin = "env"
)

// Defaults returns the configuration of an empty file.
func Defaults() *Config {
	return &Config{
		Server:    server.Defaults(),
		Router:    router.Defaults(),
		JWT:       token.Defaults(),
		Admission: admission.Defaults(),
		Cache:     readcache.Defaults(),
		Pools:     pools.Defaults(),
		Registry:  registry.Defaults(),
		Control:   control.Defaults(),
		Metrics:   metrics.Defaults(),
		Onboard:   onboard.Defaults(),
		Log:       LogDefaults(),
		Clusters:  map[string]registry.Cluster{},
		origins:   map[string]Origin{},
	}
}

// Path is the file that was loaded.
func (c *Config) Path() string { return c.path }

// Origin says where the setting at a path such as "pools.max_pools" got its
// value.
func (c *Config) Origin(path string) Origin {
	if o, ok := c.origins[path]; ok {
		return o
	}
	return FromDefault
}

// A section is one top-level key and the Config that it fills.
type section struct {
	name   string
	config interface{ Validate() error }
}

// sections lists every section in the order in which they are shown.
func (c *Config) sections() []section {
	return []section{
		{"server", &c.Server},
		{"router", &c.Router},
		{"jwt", &c.JWT},
		{"admission", &c.Admission},
		{"cache", &c.Cache},
		{"pools", &c.Pools},
		{"registry", &c.Registry},
		{"control", &c.Control},
		{"metrics", &c.Metrics},
		{"onboard", &c.Onboard},
		{"log", &c.Log},
	}
}
