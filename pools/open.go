package pools

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolkeeper/poolkeeper/registry"
)

// never is the period of pgxpool's own health check: the keeper closes idle
// connections itself, without a ticker per tenant. (The ticker exists; it
// does not tick.)
const never = time.Duration(math.MaxInt64)

// open turns a record into an entry. No connection is opened.
func (k *Keeper) open(ctx context.Context, t *registry.Tenant) (*entry, error) {
	cfg, err := k.targetOf(t)
	if err != nil {
		return nil, err
	}
	p, err := newPlan(k.cfg, t, cfg)
	if err != nil {
		return nil, err
	}
	c := cfg.ConnConfig
	e := &entry{
		keeper: k, tenant: t, plan: p, opened: time.Now(),
		target:    fmt.Sprintf("%s|%s:%d|%s|%s", t.Cluster, c.Host, c.Port, c.Database, c.User),
		queue:     orDefault(t.Limits.Queue, k.cfg.Queue),
		idleAfter: orDefault(t.Limits.IdleAfter, k.cfg.IdleAfter),
		sockets:   map[*socket]struct{}{},
	}
	e.gate.max = int64(orDefault(t.Limits.MaxConns, k.cfg.MaxConns))
	e.configure(cfg)
	e.pool, err = pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("%w: tenant %s: %w", ErrRecord, t.ID, redacted(err))
	}
	return e, nil
}

func orDefault[T int | time.Duration](own, shared T) T {
	if own != 0 {
		return own
	}
	return shared
}

// targetOf returns where the tenant's pool connects: its own DSN, or its
// cluster's with what the record replaces.
func (k *Keeper) targetOf(t *registry.Tenant) (*pgxpool.Config, error) {
	cluster, ok := k.clusters[t.Cluster]
	if !ok {
		return nil, fmt.Errorf("%w: tenant %s: cluster %q is not configured", ErrRecord, t.ID, t.Cluster)
	}
	if !t.DSN.IsZero() {
		cfg, err := pgxpool.ParseConfig(t.DSN.Reveal())
		if err != nil {
			return nil, fmt.Errorf("%w: tenant %s: dsn is not a PostgreSQL connection string: %w", ErrRecord, t.ID, redacted(err))
		}
		return cfg, nil
	}
	cfg := cluster.Copy()
	if t.Database != "" {
		cfg.ConnConfig.Database = t.Database
	}
	if t.Login != "" && t.Login != cfg.ConnConfig.User {
		cfg.ConnConfig.User = t.Login
		cfg.ConnConfig.Password = t.Password.Reveal()
	}
	if t.Isolation == registry.IsolationDatabase && cfg.ConnConfig.Database == cluster.ConnConfig.Database {
		return nil, fmt.Errorf("%w: tenant %s: isolation database needs a database of its own, %q is the cluster's",
			ErrRecord, t.ID, cfg.ConnConfig.Database)
	}
	return cfg, nil
}

// configure sets everything on cfg that makes its connections the tenant's.
func (e *entry) configure(cfg *pgxpool.Config) {
	k := e.keeper
	cfg.MinConns, cfg.MinIdleConns = 0, 0
	cfg.MaxConns = int32(e.gate.max) //nolint:gosec // bounded by Validate
	cfg.HealthCheckPeriod, cfg.MaxConnIdleTime = never, never
	cfg.MaxConnLifetime = k.cfg.ConnLifetime
	cfg.MaxConnLifetimeJitter = k.cfg.ConnLifetime / 10
	cfg.ShouldPing = noteRest
	cfg.BeforeConnect = e.beforeConnect
	cfg.AfterConnect = e.pinSession
	cfg.BeforeClose = absorbBeforeClose

	c := cfg.ConnConfig
	c.ConnectTimeout = k.cfg.ConnectTimeout
	c.StatementCacheCapacity = k.cfg.StatementCache
	c.DescriptionCacheCapacity = 0
	if k.cfg.StatementCache == 0 {
		c.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	}
	c.Tracer = &tracer{entry: e}
	if k.cfg.SQL == Untrusted {
		// Else the driver would keep what LISTEN brings, for the next borrower
		// and without a bound.
		c.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) {}
	}
	c.RuntimeParams["client_encoding"] = "UTF8" // the driver's; else the database's own would be used
	maps.Copy(c.RuntimeParams, e.plan.startup())
	dial := c.DialFunc
	if k.cfg.Dial != nil {
		dial = k.cfg.Dial
	}
	c.DialFunc = e.dialer(dial)
	c.BuildContextWatcherHandler = func(pg *pgconn.PgConn) ctxwatch.Handler { return e.adoptSession(pg) }
}

// noteRest is pgxpool's ShouldPing. It never asks for a ping: the lease looks
// after the connection's life itself (session.alive). It only keeps how long
// the connection rested, which pgxpool has measured anyway.
func noteRest(_ context.Context, p pgxpool.ShouldPingParams) bool {
	if p.IdleDuration >= peekAfter {
		if s := sessionOf(p.Conn); s != nil {
			s.rest = p.IdleDuration
		}
	}
	return false
}

// dialer registers each socket with the entry from its first moment.
func (e *entry) dialer(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		// The driver gives a cancel request more time than anybody should wait.
		limited, cancel := context.WithTimeout(ctx, e.keeper.cfg.ConnectTimeout)
		defer cancel()
		conn, err := dial(limited, network, addr)
		if err != nil {
			return nil, err
		}
		s := &socket{Conn: conn, entry: e}
		if !e.adopt(s) {
			_ = conn.Close() // nothing was said on it yet
			return nil, ErrDrained
		}
		return s, nil
	}
}

// adoptSession runs when the start-up of a connection is over: it attaches
// the session and returns what acts on the end of statements' contexts.
func (e *entry) adoptSession(pg *pgconn.PgConn) ctxwatch.Handler {
	s := &session{entry: e, pg: pg, sock: socketOf(pg.Conn()), losses: e.losses.Load()}
	if s.sock == nil { // not dialed by us: pinSession refuses it
		return &pgconn.DeadlineContextWatcherHandler{Conn: pg.Conn()}
	}
	s.sock.session.Store(s)
	pg.CustomData()[sessionKey] = s
	return s.newCanceller()
}

// beforeConnect refuses to dial a database that failed a moment ago, and
// keeps start-up parameters from a server that would not take them.
func (e *entry) beforeConnect(_ context.Context, c *pgx.ConnConfig) error {
	if e.cut.Load() {
		return ErrDrained
	}
	if e.backoffLeft() > 0 {
		return errBackedOff
	}
	if _, refused := e.keeper.plainStart.Load(e.target); refused {
		for name := range e.plan.startup() {
			delete(c.RuntimeParams, name)
		}
	}
	return nil
}

// backoffLeft is how long the next connection must wait: for the database,
// or for the tenant whose pin was refused there.
func (e *entry) backoffLeft() time.Duration {
	return max(e.keeper.backoff.left(e.target), e.keeper.backoff.left(e.pinTarget()))
}

// pinTarget is the key of the tenant's own failures: a schema that is missing
// says nothing about others who use the same login.
func (e *entry) pinTarget() string { return e.target + "|" + e.tenant.ID.String() }

// connectFailed notes a failed try, whoever waited for it. A pooler between
// us and the server may not accept start-up parameters: from then on the pin
// alone sets them.
func (e *entry) connectFailed(err error, carried bool) {
	if errors.Is(err, ErrDrained) {
		return
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && carried && refusesParameters(pg) {
		if _, known := e.keeper.plainStart.LoadOrStore(e.target, struct{}{}); !known {
			e.keeper.log.Warn("server refuses start-up parameters: sessions are pinned after connect alone",
				"tenant", e.tenant.ID.String(), "cluster", e.tenant.Cluster, "message", pg.Message)
		}
		return
	}
	if e.keeper.backoff.failed(e.target) {
		e.keeper.log.Warn("connecting failed", "tenant", e.tenant.ID.String(), "cluster", e.tenant.Cluster, "error", err)
	}
}

// refusesParameters tells PgBouncer's refusal: 08P01 "unsupported startup
// parameter".
func refusesParameters(pg *pgconn.PgError) bool {
	return pg.Code == "08P01" && strings.Contains(pg.Message, "startup parameter")
}

// redacted keeps a parse error from repeating the connection string.
func redacted(err error) error {
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		return errors.New("cannot be parsed")
	}
	return err
}
