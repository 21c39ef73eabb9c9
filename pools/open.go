package pools

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolkeeper/poolkeeper/registry"
)

// never is the period of pgxpool's own health check and the age at which it
// would close connections: the keeper does both itself, without a ticker per
// tenant. (The ticker exists; it does not tick.)
const never = time.Duration(math.MaxInt64)

// maxConns is the most connections that a pool can have. The limit that
// counts is the account's.
const maxConns = 10_000

// open turns a record into an entry. No connection is opened.
func (k *Keeper) open(ctx context.Context, t *registry.Tenant) (*entry, error) {
	cfg, err := k.targetOf(t)
	if err != nil {
		return nil, err
	}
	p, err := newPlan(k.cfg, t, cfg, k.nameOf(t.ID))
	if err != nil {
		return nil, err
	}
	e := k.newEntry(t, k.clusters[t.Cluster], p, cfg)
	if spares := e.cluster.spares; spares != nil && spares.own() && spares.plan.user == p.user {
		return nil, fmt.Errorf("%w: tenant %s: its login is that of the cluster's spare_dsn, which can become any tenant's; give it another one", ErrRecord, t.ID)
	}
	if err := e.openPool(ctx, cfg); err != nil {
		return nil, fmt.Errorf("%w: tenant %s: %w", ErrRecord, t.ID, redacted(err))
	}
	terms := e.terms(k.limitsOf(t))
	terms.Gives, terms.Takes = e.kinds()
	e.account = e.cluster.budget.Open(terms, e)
	return e, nil
}

// openPool makes the entry's pool, without a connection.
func (e *entry) openPool(ctx context.Context, cfg *pgxpool.Config) (err error) {
	e.pool, err = pgxpool.NewWithConfig(ctx, cfg)
	return err
}

// newEntry returns an entry without a pool, and makes cfg its own.
func (k *Keeper) newEntry(t *registry.Tenant, cluster *cluster, p *plan, cfg *pgxpool.Config) *entry {
	c := cfg.ConnConfig
	e := &entry{
		keeper: k, cluster: cluster, tenant: t, plan: p, opened: time.Now(),
		target: target{
			cluster: cluster.name, server: fmt.Sprintf("%s:%d", c.Host, c.Port), database: c.Database, login: c.User,
		},
		idleAfter: orDefault(t.Limits.IdleAfter, k.cfg.IdleAfter),
		sockets:   map[*socket]struct{}{}, sessions: map[*session]struct{}{},
	}
	e.record.Store(t)
	e.passwords.init(t, cluster, c.Password)
	e.configure(cfg)
	return e
}

func orDefault[T int | time.Duration](own, shared T) T {
	if own != 0 {
		return own
	}
	return shared
}

// lookUp returns the active record of id. Whether others use its login is
// derived by its source; one that is not ours may have forgotten to, and a
// tenant on its cluster's own login would pass for walled.
func (k *Keeper) lookUp(ctx context.Context, id registry.ID) (*registry.Tenant, error) {
	t, err := k.tenants.Tenant(ctx, id)
	if err != nil || t.SharedLogin {
		return t, err
	}
	target, err := k.targetOf(t)
	if err != nil || target.ConnConfig.User != k.clusters[t.Cluster].target.ConnConfig.User {
		return t, nil //nolint:nilerr // a record that leads nowhere is refused where its pool is opened
	}
	shared := *t
	shared.SharedLogin = true
	return &shared, nil
}

// targetOf returns where the tenant's pool connects: its own DSN, or its
// cluster's with what the record replaces.
func (k *Keeper) targetOf(t *registry.Tenant) (*pgxpool.Config, error) {
	known, ok := k.clusters[t.Cluster]
	if !ok {
		return nil, fmt.Errorf("%w: tenant %s: cluster %q is not configured", ErrRecord, t.ID, t.Cluster)
	}
	cluster := known.target
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
	cfg.MaxConns = maxConns // the account's maximum is the limit, which may change
	cfg.HealthCheckPeriod, cfg.MaxConnIdleTime = never, never
	cfg.MaxConnLifetime, cfg.MaxConnLifetimeJitter = never, 0
	cfg.BeforeConnect = e.beforeConnect
	cfg.AfterConnect = e.pinSession

	c := cfg.ConnConfig
	c.ConnectTimeout = k.cfg.ConnectTimeout
	cacheStatements(c, k.cfg.StatementCache)
	c.Tracer = e.tracer()
	if k.cfg.SQL == Untrusted {
		// Else the driver would keep what LISTEN brings, for the next borrower
		// and without a bound.
		c.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) {}
	}
	c.RuntimeParams["client_encoding"] = "UTF8" // the driver's; else the database's own would be used
	maps.Copy(c.RuntimeParams, e.plan.startup())
}

// cacheStatements sizes the driver's caches, which are made with each
// connection: that of descriptions alone only where a connection string asks
// for its mode, which is of no use without it.
func cacheStatements(c *pgx.ConnConfig, size int) {
	c.StatementCacheCapacity, c.DescriptionCacheCapacity = size, 0
	switch mode := c.DefaultQueryExecMode; {
	case mode != pgx.QueryExecModeCacheStatement && mode != pgx.QueryExecModeCacheDescribe:
	case size == 0:
		c.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	case mode == pgx.QueryExecModeCacheDescribe:
		c.StatementCacheCapacity, c.DescriptionCacheCapacity = 0, size
	}
}

// startPlain keeps start-up parameters from a server that would not take them.
func (e *entry) startPlain(cfg *pgx.ConnConfig) {
	if _, refused := e.keeper.plainStart.Load(e.target); refused {
		for name := range e.plan.startup() {
			delete(cfg.RuntimeParams, name)
		}
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
