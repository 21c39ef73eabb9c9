package pools

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Config of a Keeper. Begin with [Defaults]; a record's own limits go before
// the defaults given here. The names in brackets are those of the
// configuration's pools section.
type Config struct {
	// Clusters are the servers that records name. At least one.
	Clusters map[string]registry.Cluster
	// SQL (sql) says who writes the SQL that runs on leases. Default
	// untrusted, the safe one.
	SQL SQL
	// SearchPathTail (search_path_tail) holds schemas that follow the
	// tenant's own in its search path, for shared tables. Default none;
	// public only if you name it. With a tail, suspend a tenant before its
	// schema is renamed or dropped: names fall through to the tail from that
	// moment to the next check, which is at release and after a rest.
	SearchPathTail []string
	// RowSetting (row_setting) is the setting that names the tenant to the
	// policies of row isolation. Default app.tenant_id.
	RowSetting string
	// MaxPools (max_pools) is the hard cap on live pools. Default 1000.
	MaxPools int
	// PoolWait (pool_wait) is how long a newcomer waits for room when every
	// live pool is leased. Default 5s.
	PoolWait time.Duration
	// MaxConns (max_conns) is the most connections of one tenant. Default 4.
	MaxConns int
	// Queue (queue) is the most callers of one tenant that may wait for a
	// connection. Default 64.
	Queue int
	// QueueTimeout (queue_timeout) is how long each of them may. A tenant's own
	// is followed by those who begin to wait after it changed. Default 5s.
	QueueTimeout time.Duration
	// IdleAfter (idle_after) is how long a pool may stay unused before it is
	// closed. Default 5m.
	IdleAfter time.Duration
	// OpenTimeout (open_timeout) bounds the creation of a pool: the record's
	// lookup and the wait for room. Default 10s.
	OpenTimeout time.Duration
	// ConnectTimeout (connect_timeout) bounds a connection's dial and
	// authentication, and again its pin. Default 5s.
	ConnectTimeout time.Duration
	// CancelTimeout (cancel_timeout) is how long the server may take to end a
	// cancelled statement, or to answer a reset, before the connection is
	// closed instead. Default 2s.
	CancelTimeout time.Duration
	// DrainTimeout (drain_timeout) is how long the leases of a retired pool
	// may go on before their connections are cut. Default 30s.
	DrainTimeout time.Duration
	// ConnLifetime (conn_lifetime) is the age at which a connection is
	// replaced. Default 1h.
	ConnLifetime time.Duration
	// PingAfter (ping_after) is the rest after which a connection is asked
	// over the network whether it lives; before, its socket is. Default 5m.
	PingAfter time.Duration
	// StatementTimeout (statement_timeout) is sent to the server; 0 sends
	// none. SQL can undo it. Default 30s.
	StatementTimeout time.Duration
	// IdleInTransactionTimeout (idle_in_transaction_timeout) likewise.
	// Default 30s.
	IdleInTransactionTimeout time.Duration
	// StatementCache (statement_cache) is how many prepared statements each
	// connection keeps, or descriptions of statements where a connection string
	// has default_query_exec_mode=cache_describe; 0 turns preparing off.
	// Default 128.
	StatementCache int
	// BackoffMin (backoff_min) is the wait after a database's first failure,
	// doubled by each that follows up to BackoffMax (backoff_max). Defaults
	// 100ms and 5s.
	BackoffMin, BackoffMax time.Duration

	// Handoff (handoff) lets a connection go from one tenant to another that
	// uses the same login, reset and pinned anew, instead of being closed and
	// dialled again. Default true.
	Handoff bool
	// GuaranteedConns (guaranteed_conns) is how many of a tenant's connections
	// are never taken from it for others. Default 0.
	GuaranteedConns int
	// StealAfter (steal_after): a connection used more recently than this is
	// spared, for as long, by a tenant that has just begun to wait. Default
	// 1ms.
	StealAfter time.Duration
	// KeepWarm (keep_warm): a tenant may not take the idle connection of one
	// that would then hold less than itself, relative to their weights, before
	// it has rested this long. Default 1s.
	KeepWarm time.Duration

	// Prepare makes a tenant's data fit to be served, by migrating it, say. It
	// is called each time a pool of the tenant's is created, once for all who
	// wait, before anybody gets it; it should find out quickly that there is
	// nothing to do. ctx ends after PrepareTimeout, when the tenant is
	// suspended or removed meanwhile, and when the keeper closes; callers wait
	// as long as their own contexts allow, and who leaves gets ErrPreparing.
	// An error is ErrPrepare to all who wait, and to those who come within the
	// back-off after it; but registry.ErrUnavailable, which says that it is not
	// known whether there is something to do, is told as it is. A change of the record has it called once more. The
	// pool of a tenant's reader has it called too, with the tenant's record,
	// maybe while the tenant's own pool does.
	// Default: nothing is prepared.
	Prepare func(ctx context.Context, t *registry.Tenant) error
	// PrepareTimeout (prepare_timeout) is how long Prepare may take; it does
	// not count towards OpenTimeout. Default 5m.
	PrepareTimeout time.Duration

	// Refresh is asked when a server refused the password of a tenant's own
	// login (SQLSTATE 28P01), and the record's NextPassword too: it reads the
	// record again, say, or has the password set back, and returns what to try
	// next; zero is nothing. For a tenant's reader t is the reader's record. One call at a time for a pool, answering all of
	// its openings that wait; ctx ends after ConnectTimeout, and belongs to no
	// caller. The opening keeps its slot of the budget meanwhile. Its error
	// must hold no secret: it is logged, and the tenant's callers get the
	// server's refusal. Default: nobody is asked.
	Refresh func(ctx context.Context, t *registry.Tenant) (registry.Secret, error)

	// AfterConnect is the place to register types (pgx.Conn.LoadTypes and
	// TypeMap): it is called with each connection that becomes a tenant's, once
	// it is pinned and before anybody gets it. That is so for one that was
	// another tenant's or a spare, too, as the driver begins anew with it. A
	// caller waits meanwhile, ConnectTimeout at most. What it does to the session
	// is undone as after any use; an error is a DatabaseError to who waits. It
	// must not keep the connection. Default: nothing is done.
	AfterConnect func(ctx context.Context, t *registry.Tenant, conn *pgx.Conn) error
	// Tracer is told of the statements of tenants' connections, as pgx tells
	// one (pgx.ConnConfig): what else it implements of BatchTracer,
	// CopyFromTracer, PrepareTracer and ConnectTracer, it is told too. What the
	// keeper itself sends is not traced. Default: nobody is told.
	Tracer pgx.QueryTracer

	// Log gets what an operator must know. Default: nothing is logged.
	Log *slog.Logger
	// Dial replaces the driver's way to open a socket, for tests and tunnels.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Defaults returns a Config with every default, and no cluster.
func Defaults() Config {
	return Config{
		SQL: Untrusted, RowSetting: "app.tenant_id",
		MaxPools: 1000, PoolWait: 5 * time.Second,
		MaxConns: 4, Queue: 64, QueueTimeout: 5 * time.Second,
		IdleAfter: 5 * time.Minute, OpenTimeout: 10 * time.Second, PrepareTimeout: 5 * time.Minute,
		ConnectTimeout: 5 * time.Second, CancelTimeout: 2 * time.Second, DrainTimeout: 30 * time.Second,
		ConnLifetime: time.Hour, PingAfter: 5 * time.Minute,
		StatementTimeout: 30 * time.Second, IdleInTransactionTimeout: 30 * time.Second,
		StatementCache: 128, BackoffMin: 100 * time.Millisecond, BackoffMax: 5 * time.Second,
		Handoff: true, StealAfter: time.Millisecond, KeepWarm: time.Second,
	}
}

// rowSetting is what a custom setting's name looks like to PostgreSQL.
var rowSetting = regexp.MustCompile(`^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)+$`)

// Validate names the first setting that cannot be used and says what would
// be right.
func (c Config) Validate() error {
	switch {
	case len(c.Clusters) == 0:
		return fmt.Errorf("pools: clusters: name at least one PostgreSQL server")
	case c.SQL != Trusted && c.SQL != Untrusted:
		return fmt.Errorf("pools.sql: %q is neither trusted nor untrusted", c.SQL)
	case !rowSetting.MatchString(c.RowSetting) || len(c.RowSetting) > 63:
		return fmt.Errorf("pools.row_setting: %q is no custom setting; use lower-case words with a dot, like app.tenant_id", c.RowSetting)
	case slices.Contains(c.SearchPathTail, ""):
		return fmt.Errorf("pools.search_path_tail: a schema's name is empty")
	}
	for _, n := range []struct {
		name       string
		value      int
		least, top int
	}{
		{"max_pools", c.MaxPools, 1, 1 << 20},
		{"max_conns", c.MaxConns, 1, 10_000},
		{"queue", c.Queue, 0, 1 << 20},
		{"statement_cache", c.StatementCache, 0, 1 << 16},
		{"guaranteed_conns", c.GuaranteedConns, 0, 10_000},
	} {
		if n.value < n.least || n.value > n.top {
			return fmt.Errorf("pools.%s: %d is not between %d and %d", n.name, n.value, n.least, n.top)
		}
	}
	return c.validateDurations()
}

func (c Config) validateDurations() error {
	for _, d := range []struct {
		name  string
		value time.Duration
		least time.Duration
	}{
		{"pool_wait", c.PoolWait, time.Millisecond},
		{"queue_timeout", c.QueueTimeout, time.Millisecond},
		{"idle_after", c.IdleAfter, time.Millisecond},
		{"open_timeout", c.OpenTimeout, time.Millisecond},
		{"prepare_timeout", c.PrepareTimeout, time.Millisecond},
		{"connect_timeout", c.ConnectTimeout, time.Millisecond},
		{"cancel_timeout", c.CancelTimeout, time.Millisecond},
		{"drain_timeout", c.DrainTimeout, time.Millisecond},
		{"conn_lifetime", c.ConnLifetime, time.Second},
		{"ping_after", c.PingAfter, time.Second},
		{"statement_timeout", c.StatementTimeout, 0},
		{"idle_in_transaction_timeout", c.IdleInTransactionTimeout, 0},
		{"steal_after", c.StealAfter, 0},
		{"keep_warm", c.KeepWarm, 0},
		{"backoff_min", c.BackoffMin, time.Millisecond},
		{"backoff_max", c.BackoffMax, c.BackoffMin},
	} {
		if d.value < d.least {
			return fmt.Errorf("pools.%s: %v is too short; at least %v", d.name, d.value, d.least)
		}
	}
	return nil
}
