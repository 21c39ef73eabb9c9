package onboard

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// tryLogin is tryTenant as a step.
func (p *Provisioner) tryLogin(ctx context.Context, _ *admin, pl *plan) error {
	return p.tryTenant(ctx, pl)
}

// tryTenant connects as the tenant and pins the session as its pool will.
func (p *Provisioner) tryTenant(ctx context.Context, pl *plan) error {
	conn, err := pgx.ConnectConfig(ctx, pl.user)
	if err != nil {
		return fmt.Errorf("trying the connection as the %s: %w", pl.whose(), err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = conn.Close(ctx) // the trial is over
	}()
	if pl.foreign { // others have been held against it by openAdmin
		var control bool
		if err := conn.QueryRow(ctx, "select "+isControl).Scan(&control); err == nil && control {
			return refuse(ErrName, "dsn: it leads to Poolkeeper's control database, and no tenant is let in there")
		}
	}
	if err := p.pin(ctx, conn, pl); err != nil {
		return fmt.Errorf("trying the session as the %s: %w", pl.whose(), err)
	}
	return nil
}

// whose is who the plan's login stands for.
func (pl *plan) whose() string {
	if pl.kind == kindReader {
		return kindReader
	}
	return "tenant"
}

func (p *Provisioner) pin(ctx context.Context, conn *pgx.Conn, pl *plan) error {
	if pl.row() {
		if _, err := conn.Exec(ctx, "select set_config($1, $2, false)", p.cfg.RowSetting, pl.tenant.ID.String()); err != nil {
			return err
		}
	}
	if pl.schema == "" {
		_, err := conn.Exec(ctx, "select 1")
		return err
	}
	if _, err := conn.Exec(ctx, "select set_config('search_path', $1, false)", quote(pl.schema)); err != nil {
		return err
	}
	var path []string
	if err := conn.QueryRow(ctx, "select current_schemas(false)::text[]").Scan(&path); err != nil {
		return err
	}
	if !slices.Equal(path, []string{pl.schema}) {
		return refuse(ErrConflict, "its search_path leads to %q, not to the schema %s", path, pl.schema)
	}
	return nil
}
