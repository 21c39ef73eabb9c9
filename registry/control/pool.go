package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// MaxConns is how many connections queries share at most. The one that
// listens, and one while the schema is migrated, come on top.
const MaxConns = 4

// idleAfter is how long a connection stays that nobody uses.
const idleAfter = 30 * time.Second

// stuck is when the server ends a transaction whose client has gone silent:
// it may hold the turn of all writers.
const stuck = "15s"

// connecting is how long a connection may take to be opened, when the DSN does
// not say; silent is how long a statement, or a transaction, may take. A
// network that is cut in silence tells nobody.
const connecting, silent = 5 * time.Second, 30 * time.Second

// lockWait is how long a statement waits for whoever holds what it needs. All
// writers wait for one that somebody has left open by hand.
const lockWait = "10s"

// connect opens the pool and sees whether the database can be reached.
func (d *Database) connect(ctx context.Context) error {
	cfg, err := pgxpool.ParseConfig(d.cfg.DSN.Reveal())
	if err != nil {
		return errors.New("control.dsn: is no connection string") // the driver's text may repeat it
	}
	cfg.MaxConns, cfg.MinConns, cfg.MinIdleConns = int32(d.conns), 0, 0 //nolint:gosec // at most MaxConns
	cfg.MaxConnIdleTime, cfg.HealthCheckPeriod = idleAfter, idleAfter/2
	d.prepare(cfg.ConnConfig)
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	d.pool = &patient{pool}
	ctx, cancel := context.WithTimeout(ctx, silent)
	defer cancel()
	return pool.Ping(ctx)
}

// prepare sets what is common to all connections. Every name in our statements
// is qualified, so the path is empty.
func (d *Database) prepare(cfg *pgx.ConnConfig) {
	if d.dial != nil {
		cfg.DialFunc = d.dial
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connecting
	}
	cfg.RuntimeParams["search_path"] = ""
	cfg.RuntimeParams["application_name"] = "poolkeeper control"
	cfg.RuntimeParams["idle_in_transaction_session_timeout"] = stuck
	cfg.RuntimeParams["lock_timeout"] = lockWait
	cfg.RuntimeParams["timezone"] = "UTC"
}

// listener opens the connection that hears of changes; told is called for each
// notification, from within calls on the connection.
func (d *Database) listener(ctx context.Context, told func()) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(d.cfg.DSN.Reveal())
	if err != nil {
		return nil, errors.New("control.dsn: is no connection string")
	}
	d.prepare(cfg)
	cfg.RuntimeParams["application_name"] = "poolkeeper control listener"
	cfg.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) { told() }
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "LISTEN poolkeeper_changes"); err != nil {
		closeConn(ctx, conn)
		return nil, fmt.Errorf("listening: %w", err)
	}
	return conn, nil
}

// closeConn ends a connection also when ctx has ended.
func closeConn(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // nothing is left to be done on it
}

// querier is a pool, a connection or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}
