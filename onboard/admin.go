package onboard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// admin is one connection of the administrator, to one database.
type admin struct {
	*pgx.Conn
	name  string // the administrator's role
	super bool
	major int      // of the server
	takes []string // roles that it made itself a member of, to be left again
}

// openAdmin connects the administrator to a database. Its search_path is
// empty: no name that a tenant made is ever found by accident.
func openAdmin(ctx context.Context, pl *plan, database string) (*admin, error) {
	conn, err := pgx.ConnectConfig(ctx, adminConfig(pl, database))
	if err != nil {
		return nil, fmt.Errorf("connecting as the administrator: %w", err)
	}
	a := &admin{Conn: conn}
	const query = `select current_user::text, r.rolsuper, current_setting('server_version_num')::int / 10000
		from pg_roles r where r.rolname = current_user`
	if err := conn.QueryRow(ctx, query).Scan(&a.name, &a.super, &a.major); err != nil {
		a.close(ctx)
		return nil, fmt.Errorf("asking who the administrator is: %w", err)
	}
	return a, nil
}

func adminConfig(pl *plan, database string) *pgx.ConnConfig {
	cfg := pl.admin.Copy()
	cfg.Database = database
	cfg.RuntimeParams = maps.Clone(cfg.RuntimeParams)
	cfg.RuntimeParams["search_path"] = ""
	cfg.RuntimeParams["application_name"] = "poolkeeper onboard"
	// Every statement is seen once or twice.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	cfg.StatementCacheCapacity, cfg.DescriptionCacheCapacity = 0, 0
	return cfg
}

// close ends the connection; also when the context has ended, because the
// server would otherwise keep the session until it notices.
func (a *admin) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = a.Close(ctx) // nothing is left to be done on it
}

// literal has the server quote a text, which it gets as a parameter.
func (a *admin) literal(ctx context.Context, text string) (string, error) {
	var quoted string
	err := a.QueryRow(ctx, "select quote_literal($1::text)", text).Scan(&quoted)
	return quoted, err
}

// exec runs statements, in one transaction, as role when that is not "".
func (a *admin) exec(ctx context.Context, role string, statements ...string) error {
	return pgx.BeginFunc(ctx, a.Conn, func(tx pgx.Tx) error {
		if role != "" {
			statements = append([]string{"SET LOCAL ROLE " + quote(role)}, statements...)
		}
		for _, sql := range statements {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// yes asks a question that is answered by a boolean; no row means no.
func (a *admin) yes(ctx context.Context, query string, args ...any) (bool, error) {
	var answer bool
	err := a.QueryRow(ctx, query, args...).Scan(&answer)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return answer, err
}

// one scans the only row of a query, and reports whether there was one.
func one(rows pgx.Rows, err error) func(into ...any) (bool, error) {
	return func(into ...any) (bool, error) {
		if err != nil {
			return false, err
		}
		defer rows.Close()
		if !rows.Next() {
			return false, rows.Err()
		}
		if err := rows.Scan(into...); err != nil {
			return true, err
		}
		rows.Close()
		return true, rows.Err()
	}
}

// join makes a non-superuser a member of the role, so that it may act for it
// until leaveRoles.
func (a *admin) join(ctx context.Context, role string) error {
	if a.super || role == a.name {
		return nil
	}
	able, err := a.yes(ctx, "select pg_has_role(current_user, $1::name, $2)", role, a.actsBy())
	if err != nil || able {
		return err
	}
	grant := "GRANT " + quote(role) + " TO CURRENT_USER"
	if a.major >= 16 {
		grant += " WITH INHERIT TRUE, SET TRUE"
	}
	if err := a.exec(ctx, "", grant); err != nil {
		return fmt.Errorf("becoming a member of the role %s, which the administrator has to be from PostgreSQL 16 on the maker of: %w",
			role, privilege(err, a.name))
	}
	a.takes = append(a.takes, role)
	return nil
}

// actsBy is the privilege that lets the administrator act for a role.
func (a *admin) actsBy() string {
	if a.major >= 16 {
		return "SET"
	}
	return "MEMBER"
}

// leaveRoles undoes every join.
func (a *admin) leaveRoles(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var errs []error
	for _, role := range a.takes {
		if err := a.exec(ctx, "", "REVOKE "+quote(role)+" FROM CURRENT_USER"); err != nil {
			errs = append(errs, fmt.Errorf("ending the membership in the role %s: %w", role, err))
		}
	}
	a.takes = nil
	return errors.Join(errs...)
}

// again runs a step that looks before it acts until another administrator
// does not get in its way any more.
func again(ctx context.Context, step func() error) error {
	for try := 1; ; try++ {
		err := step()
		if err == nil || try == 10 || !collided(err) {
			return err
		}
		pause := time.Duration(try) * (10 + rand.N(20*time.Millisecond)) //nolint:gosec // no secret
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// collided reports whether the step failed because of another at the same
// time.
func collided(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	switch refused.Code {
	case "XX000", // tuple concurrently updated
		"40001", "40P01", // serialization failure, deadlock
		"23505", "42710", "42P04", "42P06", "42P07", // made by the other meanwhile
		"55006": // the template database is in use
		return true
	}
	return false
}
