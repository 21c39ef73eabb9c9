package store

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/poolkeeper/poolkeeper/registry"
)

// errURL says what would be right without the text, which holds a password.
var errURL = errors.New("is no URL of a Redis or Valkey; write redis://login:password@host:6379/0, or rediss:// for TLS, " +
	"with ?addr=otherhost:6379 for the nodes of a cluster")

// conns is how many connections a server opens at the most, unless the URL has
// pool_size.
const conns = 64

// Open returns a store that is asked at url for at most timeout. It does not
// connect: that is done when the store is asked. The error of a bad URL does
// not repeat it.
func Open(address registry.Secret, timeout time.Duration) (*Store, error) {
	client, err := open(address, timeout)
	if err != nil {
		return nil, err
	}
	return &Store{client: client, timeout: timeout, log: slog.New(slog.DiscardHandler)}, nil
}

// Check returns an error that says what would be right when url is none.
func Check(address registry.Secret) error {
	store, err := Open(address, time.Second)
	if err != nil {
		return err
	}
	store.Close()
	return nil
}

// open keeps the client from doing more than it is told: a question that is
// sent again after an error may be counted twice, and one dial is enough.
func open(address registry.Secret, timeout time.Duration) (redis.UniversalClient, error) {
	u, err := url.Parse(address.Reveal())
	if err != nil || u.Host == "" || (u.Scheme != "redis" && u.Scheme != "rediss") {
		return nil, errURL
	}
	if u.Query().Has("addr") {
		return openCluster(address, timeout)
	}
	o, err := redis.ParseURL(address.Reveal())
	if err != nil {
		return nil, errURL
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = timeout, timeout, timeout, timeout
	o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled = -1, 1, true
	o.PoolSize = orElse(o.PoolSize, conns)
	o.Protocol = orElse(o.Protocol, 2) // any version understands it, and nothing needs more
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.TLSConfig = atLeast12(o.TLSConfig)
	return redis.NewClient(o), nil
}

// openCluster is open for several nodes. A question that is sent on to another
// node has not been answered by the first, so that it counts once all the same.
func openCluster(address registry.Secret, timeout time.Duration) (redis.UniversalClient, error) {
	o, err := redis.ParseClusterURL(address.Reveal())
	if err != nil {
		return nil, errURL
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = timeout, timeout, timeout, timeout
	o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled = -1, 1, true
	o.PoolSize = orElse(o.PoolSize, conns)
	o.Protocol = orElse(o.Protocol, 2)
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.TLSConfig = atLeast12(o.TLSConfig)
	return redis.NewClusterClient(o), nil
}

// Quiet keeps the driver from writing lines of its own to the error stream, for
// each connection that fails. It is for programs: the driver has one place to
// write to for all who use it.
func Quiet() { redis.SetLogger(&logging.VoidLogger{}) }

func atLeast12(c *tls.Config) *tls.Config {
	if c != nil {
		c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	}
	return c
}

func orElse(given, otherwise int) int {
	if given != 0 {
		return given
	}
	return otherwise
}
