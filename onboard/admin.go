package onboard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
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

// oldest is the first version of PostgreSQL on which a schema can be closed to
// others by an administrator that is no superuser.
const oldest = 15

// openAdmin connects the administrator to a database. Its search_path is
// empty: no name that a tenant made is ever found by accident.
func openAdmin(ctx context.Context, pl *plan, database string) (*admin, error) {
	conn, err := pgx.ConnectConfig(ctx, adminConfig(pl, database))
	if err != nil {
		return nil, fmt.Errorf("connecting as the administrator: %w", err)
	}
	a := &admin{Conn: conn}
	const query = `select current_user::text, r.rolsuper, current_setting('server_version_num')::int / 10000, ` + isControl + `
		from pg_roles r where r.rolname = current_user`
	control := false
	if err := conn.QueryRow(ctx, query).Scan(&a.name, &a.super, &a.major, &control); err != nil {
		a.close(ctx)
		return nil, fmt.Errorf("asking who the administrator is: %w", err)
	}
	if a.major < oldest {
		a.close(ctx)
		return nil, refuse(ErrCluster, "%s runs PostgreSQL %d; tenants are onboarded on %d and later", pl.tenant.Cluster, a.major, oldest)
	}
	if control && database == pl.database {
		a.close(ctx)
		return nil, refuse(ErrName, "database %q is Poolkeeper's control database, and no tenant is let in there", database)
	}
	return a, nil
}

// isControl reports whether the database is a control database: its tables are
// there, in a schema that is no tenant's. Whoever may connect to it could send
// its notifications and take its locks.
const isControl = `exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where n.nspname = 'poolkeeper' and c.relname = 'tombstones' and c.relkind = 'r' and not exists (select from pg_shdescription d
		where d.objoid = n.nspowner and d.classoid = 'pg_authid'::regclass and d.description like 'poolkeeper: %'))`

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

// exec runs statements, as role when that is not "". The server gets them as
// one text, which is one transaction and one round trip.
func (a *admin) exec(ctx context.Context, role string, statements ...string) error {
	if role != "" {
		statements = append([]string{"SET LOCAL ROLE " + quote(role)}, statements...)
	}
	return a.PgConn().Exec(ctx, strings.Join(statements, ";\n")).Close()
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
	grant, err := a.grantOf(ctx, role)
	if err != nil {
		return err
	}
	if grant == "" {
		return a.adopt(ctx, role)
	}
	if err := a.exec(ctx, "", grant); err != nil {
		return fmt.Errorf("becoming a member of the role %s, which the administrator has to be from PostgreSQL 16 on the maker of: %w",
			role, privilege(err, a.name))
	}
	a.takes = append(a.takes, role)
	return nil
}

// grantOf is the statement that makes the administrator a member of the role,
// "" when it may act for it as it is.
func (a *admin) grantOf(ctx context.Context, role string) (string, error) {
	if able, err := a.yes(ctx, a.actsFor(), role); err != nil || able {
		return "", err
	}
	grant := "GRANT " + quote(role) + " TO CURRENT_USER"
	if a.major >= 16 {
		grant += " WITH INHERIT TRUE, SET TRUE"
	}
	return grant, nil
}

// adopt has leaveRoles end a membership that the administrator has given
// itself earlier: a crash kept it from ending it.
func (a *admin) adopt(ctx context.Context, role string) error {
	const query = `select true from pg_auth_members m where m.roleid = (select oid from pg_roles where rolname = $1)
		and m.member = m.grantor and m.member = (select oid from pg_roles where rolname = current_user) limit 1`
	left, err := a.yes(ctx, query, role)
	if err == nil && left && !slices.Contains(a.takes, role) {
		a.takes = append(a.takes, role)
	}
	return err
}

// actsFor asks whether the administrator may act for a role, and may do what
// it may.
func (a *admin) actsFor() string {
	if a.major >= 16 {
		return "select pg_has_role(current_user, $1::name, 'SET') and pg_has_role(current_user, $1::name, 'USAGE')"
	}
	return "select pg_has_role(current_user, $1::name, 'MEMBER')"
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
