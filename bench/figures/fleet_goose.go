package figures

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// gooseFleet is how it is done without Poolkeeper: schemas, and goose for each
// in turn.
func (b *Bench) gooseFleet(ctx context.Context) (*fleet, error) {
	p, err := b.openPlane(ctx, "goose", nil)
	if err != nil {
		return nil, err
	}
	f := &fleet{plane: p, title: "goose, tenant by tenant", run: gooseEach}
	var statements []string
	for i := range b.Scale.Fleet {
		name := fmt.Sprintf("goose-%04d", i)
		f.schemas = append(f.schemas, name)
		quoted := pgx.Identifier{name}.Sanitize()
		statements = append(statements, "CREATE ROLE "+quoted, "CREATE SCHEMA "+quoted+" AUTHORIZATION "+quoted)
	}
	if err := f.Exec(ctx, append(statements, "CHECKPOINT")...); err != nil {
		return nil, errors.Join(err, f.close(ctx))
	}
	return f, nil
}

// gooseEach counts the tenants that fail, and goes on.
func gooseEach(ctx context.Context, f *fleet) (time.Duration, int, error) {
	began, failures := time.Now(), 0
	for _, schema := range f.schemas {
		if err := f.gooseOne(ctx, schema); err != nil {
			failures++
		}
		if ctx.Err() != nil {
			return 0, failures, ctx.Err()
		}
	}
	return time.Since(began), failures, nil
}

func (f *fleet) gooseOne(ctx context.Context, schema string) error {
	cfg, err := pgx.ParseConfig(f.AdminDSN())
	if err != nil {
		return err
	}
	cfg.RuntimeParams["search_path"] = pgx.Identifier{schema}.Sanitize()
	cfg.RuntimeParams["role"] = schema
	db := sql.OpenDB(stdlib.GetConnector(*cfg))
	defer func() { _ = db.Close() }()
	p, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS(f.dir), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}
