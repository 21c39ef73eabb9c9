package doctor

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// target reads a connection string. The parser's error is dropped: it may
// quote the string.
func (c *patient) target(dsn registry.Secret) (*pgx.ConnConfig, bool) {
	cfg, err := pgx.ParseConfig(dsn.Reveal())
	if err != nil {
		return nil, false
	}
	if c.Dial != nil {
		cfg.DialFunc = c.Dial(c.name)
	}
	// A pooler may be between us and the server: nothing is prepared.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	cfg.StatementCacheCapacity, cfg.DescriptionCacheCapacity = 0, 0
	return cfg, true
}

// lookWith connects and has fn ask in a transaction that is read only and finds
// names in pg_catalog alone. The setting ends with the transaction: through a
// pooler it would otherwise stay for the next.
func lookWith(ctx context.Context, cfg *pgx.ConnConfig, fn func(pgx.Tx) error) error {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer hangUp(ctx, conn)
	return look(ctx, conn, fn)
}

func look(ctx context.Context, conn *pgx.Conn, fn func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL search_path = ''"); err != nil {
			return err
		}
		return fn(tx)
	})
}

// lookInto looks into a database as the administrator, or as the cluster's
// login where there is none.
func (c *patient) lookInto(ctx context.Context, database string, fn func(pgx.Tx) error) error {
	cfg := c.dsn
	if c.admin != nil {
		cfg = c.admin
	}
	cfg = cfg.Copy()
	cfg.Database = database
	return lookWith(ctx, cfg, fn)
}

// hangUp closes a connection, also when the context has ended.
func hangUp(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = conn.Close(ctx) // nothing is left to be done on it
}

// texts asks for a column of texts.
func texts(ctx context.Context, tx pgx.Tx, query string, args ...any) ([]string, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
