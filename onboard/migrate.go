package onboard

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// versionTable is goose's own name for it; it lies in the schema that it
// speaks of.
const versionTable = goose.DefaultTablename

// migrations is one set of .sql files.
type migrations struct{ files fs.FS }

// loadMigrations reads a folder and checks every file in it. what is the
// setting's path.
func loadMigrations(what, folder string) (*migrations, error) {
	if folder == "" {
		return nil, nil
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return nil, refuse(ErrMigrations, "%s: there is no folder %s", what, folder)
	}
	m := &migrations{files: os.DirFS(folder)}
	if err := m.check(); err != nil {
		return nil, refuse(ErrMigrations, "%s: %s: %w", what, folder, err)
	}
	return m, nil
}

// check has goose read every file, and refuses those it would pass over.
func (m *migrations) check() error {
	entries, err := fs.ReadDir(m.files, ".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		ext := path.Ext(entry.Name())
		if _, err := goose.NumericComponent(entry.Name()); ext == ".sql" && err != nil {
			return fmt.Errorf("%s: a migration's name begins with its number and an underscore, as in 00001_tables.sql", entry.Name())
		}
		if ext == ".go" {
			return fmt.Errorf("%s: migrations are .sql files", entry.Name())
		}
	}
	db := sql.OpenDB(dryRun{})
	provider, err := m.provider(db, goose.WithDisableVersioning(true))
	if err != nil {
		return errors.Join(err, db.Close())
	}
	// goose parses all files before it runs the first statement, which the
	// dry run refuses.
	_, err = provider.Up(context.Background()) // does no I/O but reading the files
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return errors.Join(err, db.Close())
}

func (m *migrations) provider(db *sql.DB, options ...goose.ProviderOption) (*goose.Provider, error) {
	options = append(options, goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	return goose.NewProvider(goose.DialectPostgres, db, m.files, options...)
}

// migrate applies the tenant's set, or for row isolation the shared one.
func (p *Provisioner) migrate(ctx context.Context, a *admin, pl *plan) error {
	set := p.tenants
	if pl.row() {
		set = p.shared
	}
	if set == nil {
		return nil
	}
	db := p.openOwner(a, pl)
	err := makeVersionTable(ctx, db, pl)
	if err == nil {
		err = set.up(ctx, db)
	}
	if err = errors.Join(err, db.Close()); err == nil {
		return nil
	}
	failed := &MigrationError{Tenant: pl.tenant.ID, Err: err}
	if partial, ok := errors.AsType[*goose.PartialError](err); ok {
		failed.File, failed.Err = partial.Failed.Source.Path, partial.Err
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		failed.SQLState = refused.Code
	}
	if pl.trapped() {
		failed.Err = p.cfg.explainLimit(ctx, failed.Err)
	}
	return failed
}

func (m *migrations) up(ctx context.Context, db *sql.DB) error {
	provider, err := m.provider(db)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// openOwner opens the one connection on which goose works as the schema's
// owner, with nothing but the schema in its path. A tenant that owns its
// schema could have left functions there that run with our statements: for it
// the connection is the tenant's own, with no power to fall back to, and its
// statements have a limit.
func (p *Provisioner) openOwner(a *admin, pl *plan) *sql.DB {
	cfg, limit := adminConfig(pl, pl.database), "0"
	if pl.trapped() {
		cfg = pl.user.Copy()
		cfg.RuntimeParams = maps.Clone(cfg.RuntimeParams)
		cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
		cfg.Tracer = deadline{p.cfg.statementLimit() + grace}
		limit = strconv.FormatInt(p.cfg.statementLimit().Milliseconds(), 10)
	}
	become := func(ctx context.Context, conn *pgx.Conn) error {
		const query = "select set_config('search_path', $1, false), set_config('role', $2, false), set_config('statement_timeout', $3, false)"
		_, err := conn.Exec(ctx, query, quote(pl.schema), pl.ownsSchema(), limit)
		return err
	}
	db := sql.OpenDB(stdlib.GetConnector(*cfg, stdlib.OptionAfterConnect(become)))
	db.SetMaxOpenConns(1)
	return db
}

// makeVersionTable makes goose's table before goose does, so that the login
// never has, for a moment, the rights that it gets on new tables.
func makeVersionTable(ctx context.Context, db *sql.DB, pl *plan) error {
	store, err := database.NewStore(database.DialectPostgres, versionTable)
	if err != nil {
		return err
	}
	var exists bool
	const query = "select exists (select from pg_catalog.pg_tables where schemaname = $1 and tablename = $2)"
	if err := db.QueryRowContext(ctx, query, pl.schema, versionTable).Scan(&exists); err != nil || exists {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	err = store.CreateVersionTable(ctx, tx)
	if err == nil {
		err = store.Insert(ctx, tx, database.InsertRequest{Version: 0})
	}
	if err == nil && !pl.trapped() {
		_, err = tx.ExecContext(ctx, "REVOKE ALL ON TABLE "+quote(pl.schema, versionTable)+" FROM PUBLIC, "+quote(pl.login))
	}
	if err == nil && !pl.trapped() {
		_, err = tx.ExecContext(ctx, "REVOKE ALL ON SEQUENCE "+quote(pl.schema, versionTable+"_id_seq")+" FROM PUBLIC, "+quote(pl.login))
	}
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
