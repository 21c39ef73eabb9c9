package server

import (
	"errors"
	"fmt"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// How SQLConfig.Errors answers refusals to clients of the Neon dialect.
const (
	// ErrorsHonest keeps the status that says what happened: 429, 503, 504.
	ErrorsHonest = "honest"
	// ErrorsNeon answers 400 with the nearest SQLSTATE instead, because
	// @neondatabase/serverless reads the body of no other status.
	ErrorsNeon = "neon"
)

// Config is the `server` section. [Defaults] gives every default.
type Config struct {
	// Listen is the address of the data listener, host:port. An empty host
	// means every interface, port 0 a free one. Default 127.0.0.1:8080.
	Listen string
	// AdminListen is the address of the admin listener; "" means none. It must
	// be a loopback address unless AdminTokens, ScrapeToken or
	// AdminTLS.ClientCA is set. Default 127.0.0.1:8081.
	AdminListen string
	// AdminTokens are the credentials of the admin API, a line for each: NAME
	// ROLE TOKEN, where ROLE is read or admin and TOKEN has 16 characters or
	// more; lines that begin with # are comments. When set, every request for
	// /v1 needs one as a bearer token, wherever it comes from, and the audit
	// trail has its name. Default none: the API answers to this machine alone.
	AdminTokens registry.Secret

	// TLS secures the data listener, and AdminTLS the admin listener.
	TLS      TLSConfig
	AdminTLS AdminTLSConfig
	// HSTS is for how long browsers are to remember that the host is to be
	// asked over TLS alone; 0 sends no such header. It needs TLS. Default 0s.
	HSTS time.Duration

	// ReadHeaderTimeout is the longest that a request's headers may take.
	// Default 10s.
	ReadHeaderTimeout time.Duration
	// ReadTimeout is the longest that headers and body together may take.
	// Default 30s.
	ReadTimeout time.Duration
	// IdleTimeout is how long a kept connection may wait for its next request.
	// Default 2m.
	IdleTimeout time.Duration
	// WriteTimeout is the longest that one chunk of an answer may take to be
	// taken by the client; a stream may last longer. Default 30s.
	WriteTimeout time.Duration
	// MaxHeaderBytes bounds a request's line and headers; more is answered
	// with 431. Over HTTP/2 it counts them unpacked. Default 65536.
	MaxHeaderBytes int

	// NotReady is how long /readyz says no, while everything is still served,
	// before a stop begins: the time that load balancers need to notice.
	// Default 0s.
	NotReady time.Duration
	// DrainTimeout is how long requests that run at a stop may go on before
	// they are cut. Default 30s.
	DrainTimeout time.Duration

	// SQL bounds and switches the data API.
	SQL SQLConfig
	// ScrapeToken, when set, must be sent as a bearer token to read /metrics.
	// Default none.
	ScrapeToken registry.Secret
	// ServerTiming adds a Server-Timing header to answers, never to refusals.
	// Default true.
	ServerTiming bool
}

// SQLConfig is the `server.sql` section.
type SQLConfig struct {
	// Enabled serves POST /sql and POST /t/{tenant}/sql. Default true.
	Enabled bool
	// MaxBody is the greatest request body in bytes; more is 413. A tenant's
	// limit of the same name may only lower it. Default 10 MiB.
	MaxBody int64
	// MaxResult is the greatest answer in bytes; more is 507. Of a stream it is
	// the greatest row, up to 64 MiB. A tenant's limit of the same name may only
	// lower it. Default 10 MiB.
	MaxResult int64
	// Timeout is the longest that a request may take from when its tenant is
	// known to the database's last byte; X-Request-Timeout may only shorten
	// it. Finding the tenant is bounded by registry.lookup_timeout. Default 30s.
	Timeout time.Duration
	// Errors is ErrorsHonest or ErrorsNeon. Default honest.
	Errors string
}

// Defaults returns the configuration of a server whose file says nothing.
func Defaults() Config {
	return Config{
		Listen:            "127.0.0.1:8080",
		AdminListen:       "127.0.0.1:8081",
		TLS:               TLSConfig{MinVersion: "1.2"},
		AdminTLS:          AdminTLSConfig{MinVersion: "1.2"},
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		WriteTimeout:      30 * time.Second,
		MaxHeaderBytes:    64 << 10,
		DrainTimeout:      30 * time.Second,
		SQL: SQLConfig{
			Enabled:   true,
			MaxBody:   10 << 20,
			MaxResult: 10 << 20,
			Timeout:   30 * time.Second,
			Errors:    ErrorsHonest,
		},
		ServerTiming: true,
	}
}

// Validate lists every field that cannot be served with, by its path, and
// what would be right.
func (c Config) Validate() error {
	return errors.Join(
		checkAddress("server.listen", c.Listen),
		c.checkAdmin(),
		c.checkTokens(),
		c.TLS.validate("server.tls"),
		c.AdminTLS.validate("server.admin_tls"),
		c.checkHSTS(),
		checkPositive("server.read_header_timeout", c.ReadHeaderTimeout),
		checkPositive("server.read_timeout", c.ReadTimeout),
		checkPositive("server.idle_timeout", c.IdleTimeout),
		checkPositive("server.write_timeout", c.WriteTimeout),
		checkRange("server.max_header_bytes", int64(c.MaxHeaderBytes), 4<<10, 16<<20),
		checkNotReady(c.NotReady),
		checkPositive("server.drain_timeout", c.DrainTimeout),
		c.SQL.validate(),
	)
}

func (c SQLConfig) validate() error {
	err := errors.Join(
		checkRange("server.sql.max_body", c.MaxBody, 1<<10, 1<<30),
		checkRange("server.sql.max_result", c.MaxResult, 1<<10, 1<<30),
		checkPositive("server.sql.timeout", c.Timeout),
	)
	if c.Errors != ErrorsHonest && c.Errors != ErrorsNeon {
		err = errors.Join(err, fmt.Errorf("server.sql.errors: %q is neither %s nor %s", c.Errors, ErrorsHonest, ErrorsNeon))
	}
	return err
}

func (c Config) checkAdmin() error {
	if c.AdminListen == "" {
		return nil
	}
	if err := checkAddress("server.admin_listen", c.AdminListen); err != nil {
		return err
	}
	if c.AdminListen == c.Listen && !endsInPortZero(c.Listen) {
		return fmt.Errorf("server.admin_listen: %s is the data listener's address too; give it another port", c.AdminListen)
	}
	if !c.adminGuarded() && !isLoopback(c.AdminListen) {
		return fmt.Errorf("server.admin_listen: %s can be reached from other machines; use a loopback address such as 127.0.0.1:8081, or set server.admin_tokens, or server.admin_tls.client_ca, or server.scrape_token, with which others may read /metrics and nothing else", c.AdminListen)
	}
	return nil
}

// adminGuarded reports whether other machines may reach the admin listener,
// because something keeps them from what is not theirs.
func (c Config) adminGuarded() bool {
	return !c.ScrapeToken.IsZero() || !c.AdminTokens.IsZero() || c.AdminTLS.ClientCA != ""
}

func (c Config) checkTokens() error {
	if c.AdminTokens.IsZero() {
		return nil
	}
	_, err := parseTokens(c.AdminTokens.Reveal())
	return err
}
