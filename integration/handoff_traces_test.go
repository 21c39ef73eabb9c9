package integration_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
)

// trace is one kind of thing that a tenant may leave in its session.
type trace struct {
	name string
	// leave leaves it.
	leave func(ctx context.Context, c *pools.Conn) error
	// look says what is to be seen of it, in words that are the same in each
	// session in which nothing was left.
	look func(ctx context.Context, c *pools.Conn) (seen string)
	// unseen says that look sees no difference even where it was left: that it
	// does no harm is all that can be told.
	unseen bool
	// closes says that the connection may be closed for it instead.
	closes bool
}

// says leaves something by simple queries.
func says(statements ...string) func(context.Context, *pools.Conn) error {
	return func(ctx context.Context, c *pools.Conn) error {
		for _, sql := range statements {
			if _, err := c.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	}
}

// shows looks by queries that give one text each. They prepare nothing.
func shows(questions ...string) func(context.Context, *pools.Conn) string {
	return func(ctx context.Context, c *pools.Conn) string {
		answers := make([]string, len(questions))
		for i, sql := range questions {
			answers[i] = showsOne(ctx, c, sql)
		}
		return strings.Join(answers, ", ")
	}
}

func showsOne(ctx context.Context, c *pools.Conn, sql string) string {
	var answer *string
	err := c.QueryRow(ctx, sql, pgx.QueryExecModeSimpleProtocol).Scan(&answer)
	pg, refused := errors.AsType[*pgconn.PgError](err)
	switch {
	case refused:
		return "error " + pg.Code
	case err != nil:
		return err.Error()
	case answer == nil:
		return "nothing"
	default:
		return *answer
	}
}

const (
	settingsShown = `SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings WHERE name <> 'application_name'`
	// That a session has seen a custom setting's name stays, as '': even
	// DISCARD ALL leaves that.
	customShown   = `SELECT concat_ws(' ', nullif(current_setting('app.note', true), ''), nullif(current_setting('secret.key', true), ''))`
	locksShown    = `SELECT count(*)::text FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'`
	preparedShown = `SELECT string_agg(name || ': ' || statement, '; ' ORDER BY name) FROM pg_prepared_statements WHERE name <> 'poolkeeper_canary'`
	cursorsShown  = `SELECT string_agg(name, ' ' ORDER BY name) FROM pg_cursors`
	channelsShown = `SELECT string_agg(c, ' ' ORDER BY c) FROM pg_listening_channels() c`
	usersShown    = `SELECT concat_ws(' ', session_user, current_user, current_setting('role'))`
	pathShown     = `SELECT current_setting('search_path') || ' ' || current_schemas(false)::text`
	tempShown     = `SELECT concat_ws(' ', (SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = pg_my_temp_schema()),
		(SELECT string_agg(proname, ' ') FROM pg_proc WHERE pronamespace = pg_my_temp_schema()),
		(SELECT string_agg(typname, ' ' ORDER BY typname) FROM pg_type WHERE typnamespace = pg_my_temp_schema()))`
	transactionShown = `SELECT concat_ws(' ', current_setting('transaction_isolation'), current_setting('transaction_read_only'),
		now() = statement_timestamp(), pg_current_xact_id_if_assigned() IS NULL)`
	rowsShown = `SELECT string_agg(DISTINCT tenant, ',') FROM items`
)

// traces are all the kinds.
func (h *handover) traces() []trace {
	all := append(settingTraces(), objectTraces()...)
	all = append(all, statementTraces()...)
	return append(all, h.userTraces()...)
}

func settingTraces() []trace {
	return []trace{
		{
			name: "settings", look: shows(settingsShown),
			leave: says("SET work_mem TO '7MB'; SET statement_timeout TO 1234; SET IntervalStyle TO sql_standard; SET TimeZone TO 'Asia/Tokyo'",
				"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY"),
		},
		{
			name: "settings by set_config", look: shows(settingsShown),
			leave: says("SELECT set_config('work_mem', '7MB', false), set_config('enable_seqscan', 'off', false)"),
		},
		{
			name: "settings of one's own", look: shows(customShown),
			leave: says("SET app.note TO 'mine'; SELECT set_config('secret.key', 'mine', false)"),
		},
		{name: "search path", look: shows(pathShown), leave: says("SET search_path TO public, pg_catalog")},
		{name: "search path by set_config", look: shows(pathShown), leave: says("SELECT set_config('search_path', 'public', false)")},
		{
			name: "search path that was rolled back", look: shows(pathShown), unseen: true,
			leave: says("BEGIN", "SET LOCAL search_path TO public", "ROLLBACK"),
		},
		{
			name: "the tenant's setting", look: shows("SELECT coalesce(nullif(current_setting('app.tenant_id', true), ''), 'nobody')"),
			leave: says("SET app.tenant_id TO 'somebody'"),
		},
	}
}

func objectTraces() []trace {
	return []trace{
		{
			name: "temporary objects", look: shows(tempShown, rowsShown),
			leave: says("CREATE TEMP TABLE items (id int, tenant text); INSERT INTO items VALUES (1, 'temporary')",
				"CREATE TEMP VIEW seen AS SELECT 1; CREATE TEMP SEQUENCE counts; CREATE TYPE pg_temp.kind AS ENUM ('a')",
				"CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
		},
		{
			name: "advisory locks of the session", look: shows(locksShown),
			leave: says("SELECT pg_advisory_lock(1), pg_advisory_lock(1), pg_advisory_lock_shared(2), pg_advisory_lock(3, 4)"),
		},
		{
			name: "advisory locks of a transaction left open", look: shows(locksShown),
			leave: says("BEGIN", "SELECT pg_advisory_xact_lock(5), pg_advisory_xact_lock_shared(6)"),
		},
		{
			name: "a transaction left open", look: shows(transactionShown),
			leave: says("BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE", "SELECT pg_current_xact_id()"),
		},
		{
			name: "a transaction that failed", look: shows(transactionShown),
			leave: func(ctx context.Context, c *pools.Conn) error {
				if err := says("BEGIN")(ctx, c); err != nil {
					return err
				}
				if says("SELECT 1/0")(ctx, c) == nil {
					return errors.New("1/0 is something")
				}
				return nil
			},
		},
		{
			name: "sequences", look: shows("SELECT lastval()::text", "SELECT currval('code.numbers')::text"),
			leave: says("SELECT nextval('code.numbers'), nextval('code.numbers')"),
		},
		{
			name: "cursors that outlive their transaction", look: shows(cursorsShown, "FETCH ALL FROM mine"),
			leave: says("DECLARE mine CURSOR WITH HOLD FOR SELECT tenant FROM items"),
		},
		{
			name: "cursors of a transaction left open", look: shows(cursorsShown),
			leave: says("BEGIN", "DECLARE mine CURSOR FOR SELECT tenant FROM items", "FETCH 1 FROM mine"),
		},
		{
			name: "large notices", look: shows("SELECT 'well'"), unseen: true,
			leave: says("SELECT code.told(repeat('x', 100000), 40)"),
		},
	}
}

func statementTraces() []trace {
	const cached = "SELECT tenant FROM items WHERE id = $1"
	return []trace{
		{
			name: "statements prepared by SQL", look: shows(preparedShown), closes: true,
			leave: says("PREPARE mine AS SELECT tenant FROM items"),
		},
		{
			name: "statements prepared by the protocol", look: shows(preparedShown),
			leave: func(ctx context.Context, c *pools.Conn) error {
				_, err := c.Conn().Prepare(ctx, "mine", "SELECT tenant FROM items")
				return err
			},
		},
		{
			// The driver gives the same text the same name in every session.
			name: "statements of the driver's cache", unseen: true,
			leave: func(ctx context.Context, c *pools.Conn) error { return often(ctx, c, cached) },
			look: func(ctx context.Context, c *pools.Conn) string {
				before := showsOne(ctx, c, preparedShown)
				return fmt.Sprint(before, " ", often(ctx, c, cached))
			},
		},
		{
			name: "plans of functions", look: shows("SELECT code.by_plpgsql()", "SELECT code.by_sql()", "SELECT code.by_plpgsql()"),
			leave: says(strings.Repeat("SELECT code.by_plpgsql(), code.by_sql();", 8)),
		},
		{
			name: "plans of statements", look: looksByPlan,
			leave: func(ctx context.Context, c *pools.Conn) error {
				_, err := c.Conn().Prepare(ctx, "mine", cached)
				return errors.Join(err, often(ctx, c, "mine"))
			},
		},
	}
}

// often runs one statement until its plan is one for all arguments.
func often(ctx context.Context, c *pools.Conn, sql string) error {
	for range 8 {
		var tenant string
		if err := c.QueryRow(ctx, sql, 1).Scan(&tenant); err != nil {
			return err
		}
	}
	return nil
}

// looksByPlan prepares and runs what the other tenant did, under the same name.
func looksByPlan(ctx context.Context, c *pools.Conn) string {
	var tenant string
	_, err := c.Conn().Prepare(ctx, "mine", "SELECT tenant FROM items WHERE id = $1")
	if err == nil {
		err = c.QueryRow(ctx, "mine", 1).Scan(&tenant)
	}
	return fmt.Sprint(tenant, " ", err)
}

func (h *handover) userTraces() []trace {
	return []trace{
		{name: "role", look: shows(usersShown), leave: says("SET ROLE " + h.other)},
		{name: "role by set_config", look: shows(usersShown), leave: says("SELECT set_config('role', '" + h.other + "', false)")},
		{
			name: "session authorization", look: shows(usersShown), unseen: true,
			leave: says("SET SESSION AUTHORIZATION " + h.shared),
		},
		{
			name: "role in a transaction left open", look: shows(usersShown),
			leave: says("BEGIN", "SET LOCAL ROLE "+h.other),
		},
		{name: "channels", look: shows(channelsShown), leave: says(`LISTEN news; LISTEN "Other News"`)},
		{
			// One comes from the session itself and is read, one from another
			// and waits in the socket.
			name: "notifications", look: notified,
			leave: func(ctx context.Context, c *pools.Conn) error {
				if err := says("LISTEN news", "NOTIFY news, 'own'")(ctx, c); err != nil {
					return err
				}
				return h.notify(ctx)
			},
		},
	}
}

// notify sends a notification from a session of the superuser.
func (h *handover) notify(ctx context.Context) error {
	other, err := pgx.Connect(ctx, h.server.AdminDSN(h.database))
	if err != nil {
		return err
	}
	_, err = other.Exec(ctx, "NOTIFY news, 'of another'")
	return errors.Join(err, other.Close(ctx))
}

// notified returns the notifications that the driver holds after a query.
func notified(ctx context.Context, c *pools.Conn) string {
	seen := showsOne(ctx, c, channelsShown)
	ended, cancel := context.WithCancel(ctx)
	cancel() // what has come is returned all the same
	for {
		n, err := c.Conn().WaitForNotification(ended)
		if err != nil {
			return seen
		}
		seen += " " + n.Payload
	}
}
