package control

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var files embed.FS

// versionTable is goose's own.
const versionTable = "poolkeeper.migrations"

// newest is the number of the last migration that this program knows.
const newest = 4

// migrationLock keeps two processes that start together from migrating both.
// An advisory lock will do here: no tenant can connect to this database.
const migrationLock = 7089336938131513953

// migrate brings the schema up to date, unless a later release did more.
func (d *Database) migrate(ctx context.Context) error {
	cfg, err := pgx.ParseConfig(d.cfg.DSN.Reveal())
	if err != nil {
		return errors.New("control.dsn: is no connection string")
	}
	d.prepare(cfg)
	// While it waits for its turn nobody else's work is held up.
	cfg.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	cfg.RuntimeParams["lock_timeout"] = "0"
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(1) // the lock is the connection's
	err = d.migrateUnderLock(ctx, db)
	if err == nil {
		err = d.warnOpen(ctx, db)
	}
	return errors.Join(err, db.Close()) // which ends the lock too
}

// warnOpen tells the operator what shutOut may not end.
func (d *Database) warnOpen(ctx context.Context, db *sql.DB) error {
	var open bool
	const query = "SELECT has_database_privilege('public', current_database(), 'CONNECT')"
	err := db.QueryRowContext(ctx, query).Scan(&open)
	if err == nil && open {
		d.log.WarnContext(ctx, "every login of the server may connect to the control database, where it can send notifications and hold up writers; "+
			"have its owner run REVOKE CONNECT ON DATABASE … FROM PUBLIC, or give the control database one of its own")
	}
	return err
}

func (d *Database) migrateUnderLock(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, "SELECT pg_catalog.pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return fmt.Errorf("waiting to migrate: %w", err)
	}
	known, compatible, err := release(ctx, db)
	switch {
	case err != nil:
		return fmt.Errorf("asking for the release: %w", err)
	case compatible > newest:
		return fmt.Errorf("%w: it works with programs that know its migrations up to %d or more, this one knows them up to %d; use the newer release",
			ErrNewer, compatible, newest)
	case known >= newest:
		return nil
	}
	if err := d.upBetween(ctx, db); err != nil {
		return fmt.Errorf("migrating the control database; its login must own the database: %w", err)
	}
	return shutOut(ctx, db)
}

// release says what the database was migrated to, and which programs can work
// with that; 0, 0 for one that is new.
func release(ctx context.Context, db *sql.DB) (known, compatible int, err error) {
	var exists bool
	const there = "SELECT to_regclass('poolkeeper.release') IS NOT NULL AND to_regclass('" + versionTable + "') IS NOT NULL"
	if err := db.QueryRowContext(ctx, there).Scan(&exists); err != nil || !exists {
		return 0, 0, err
	}
	const query = `SELECT (SELECT coalesce(max(version_id), 0) FROM ` + versionTable + ` WHERE is_applied),
		(SELECT coalesce(max(compatible_from), 0) FROM poolkeeper.release)`
	err = db.QueryRowContext(ctx, query).Scan(&known, &compatible)
	return known, compatible, err
}

// How long a migration waits for a table that somebody reads, such as a dump,
// and how long after that it tries again. Whoever comes later waits behind it,
// readers too.
const (
	tableWait  = "2s"
	tableAgain = 3 * time.Second
)

// upBetween is up, in a moment in which nobody holds the tables: it does not
// stand in the way of those who serve until then.
func (d *Database) upBetween(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, "SET lock_timeout = '"+tableWait+"'"); err != nil {
		return err
	}
	for {
		err := up(ctx, db)
		held, ok := errors.AsType[*pgconn.PgError](err)
		if !ok || held.Code != "55P03" {
			return err
		}
		d.log.WarnContext(ctx, "another session, such as a dump, holds a table of the control database; this start waits for it: look into pg_stat_activity and pg_locks there",
			"again_in", tableAgain)
		select {
		case <-time.After(tableAgain):
		case <-ctx.Done():
			return err
		}
	}
}

func up(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS poolkeeper"); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "REVOKE ALL ON SCHEMA poolkeeper FROM PUBLIC"); err != nil {
		return err
	}
	folder, err := fs.Sub(files, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, folder, goose.WithTableName(versionTable),
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// shutOut takes from PUBLIC what it has by default: to connect to the
// database, where it could send notifications and take advisory locks. An
// owner alone does; a superuser may have been pointed at a database that
// serves others too.
func shutOut(ctx context.Context, db *sql.DB) error {
	var name string
	const query = `SELECT datname FROM pg_catalog.pg_database d JOIN pg_catalog.pg_roles r ON r.oid = d.datdba
		WHERE datname = current_database() AND rolname = current_user AND datname NOT IN ('postgres', 'template1')
			AND has_database_privilege('public', d.oid, 'CONNECT')`
	err := db.QueryRowContext(ctx, query).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		_, err = db.ExecContext(ctx, "REVOKE CONNECT, TEMPORARY ON DATABASE "+pgx.Identifier{name}.Sanitize()+" FROM PUBLIC")
	}
	if err != nil {
		return fmt.Errorf("keeping others from the control database: %w", err)
	}
	return nil
}
