//go:build setuser

// What becomes of an authenticated session that set_session_auth of the
// extension set_user has made a tenant's: the claim of a spare connection, on
// plain connections. CI installs the extension.

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

// gate is a server on which the login gateway may make its sessions a
// tenant's, with the tenants acme and globex. A row of globex holds secret.
type gate struct {
	server   *pgtest.Server
	database string
}

const secret = "secret of globex"

// newGate starts the server. Any role may look into the schema with the
// extension: that a tenant may not run what is in there has to be enough.
func newGate(t *testing.T, settings pgtest.Settings) *gate {
	t.Helper()
	all := pgtest.Settings{"shared_preload_libraries": "set_user"}
	maps.Copy(all, settings)
	if !pgtest.Shared().HasExtension(t, "set_user") {
		t.Fatal("the extension set_user is not installed; tests with the tag setuser need it")
	}
	g := &gate{server: pgtest.StartWith(t, all)}
	g.database = g.server.Database(t)
	g.admin(t, "CREATE SCHEMA gate; CREATE EXTENSION set_user SCHEMA gate; GRANT USAGE ON SCHEMA gate TO PUBLIC",
		createLogin("gateway"), "GRANT EXECUTE ON FUNCTION gate.set_session_auth(text) TO gateway",
		"REVOKE ALL ON DATABASE "+g.database+" FROM PUBLIC; GRANT CONNECT ON DATABASE "+g.database+" TO gateway",
		"REVOKE CREATE ON SCHEMA public FROM PUBLIC")
	g.tenant(t, "acme", "row of acme")
	g.tenant(t, "globex", secret)
	return g
}

func (g *gate) admin(t *testing.T, statements ...string) {
	t.Helper()
	admin(t, g.server, g.database, statements...)
}

func (g *gate) tenant(t *testing.T, name, row string) {
	t.Helper()
	g.admin(t, createLogin(name), "GRANT CONNECT, TEMPORARY ON DATABASE "+g.database+" TO "+name,
		"CREATE SCHEMA "+name+" AUTHORIZATION "+name,
		fmt.Sprintf("CREATE TABLE %s.items AS SELECT '%s' AS tenant; ALTER TABLE %[1]s.items OWNER TO %[1]s", name, row))
}

// connect opens a plain session: of the gateway as spares are opened, with a
// search path that contains nothing.
func (g *gate) connect(t *testing.T, login string) *pgconn.PgConn {
	t.Helper()
	cfg, err := pgconn.ParseConfig(g.server.DSN(g.database, login, password))
	if err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeParams["search_path"] = `""`
	c, err := pgconn.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	return c
}

// claimed returns a session that was the gateway's and is acme's. The gateway
// ran the statements before.
func (g *gate) claimed(t *testing.T, before ...string) *pgconn.PgConn {
	t.Helper()
	c := g.connect(t, "gateway")
	for _, sql := range before {
		if _, err := run(t, c, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if err := claim(t, c, "acme"); err != nil {
		t.Fatal(err)
	}
	return c
}

// claim makes a session the tenant's in one round trip. The change of user is
// a message of its own, with a transaction of its own: when that transaction is
// undone, the session has the tenant's session_user and the gateway's
// current_user. The check follows in one of its own and looks at both.
func claim(t *testing.T, c *pgconn.PgConn, tenant string) error {
	t.Helper()
	fe := c.Frontend()
	fe.SendParse(&pgproto3.Parse{Query: "SELECT gate.set_session_auth($1)", ParameterOIDs: []uint32{25}})
	fe.SendBind(&pgproto3.Bind{Parameters: [][]byte{[]byte(tenant)}})
	fe.SendExecute(&pgproto3.Execute{})
	fe.SendSync(&pgproto3.Sync{})
	fe.SendQuery(&pgproto3.Query{String: pinOf(tenant)})
	fe.SendQuery(&pgproto3.Query{String: "SELECT session_user, current_user, pg_catalog.current_schemas(false)"})
	if err := fe.Flush(); err != nil {
		return err
	}
	var refused error
	var row string
	for left := 3; left > 0; {
		msg, err := c.ReceiveMessage(t.Context())
		if err != nil {
			return err
		}
		switch msg := msg.(type) {
		case *pgproto3.ErrorResponse:
			refused = errors.Join(refused, pgconn.ErrorResponseToPgError(msg))
		case *pgproto3.DataRow:
			row = text(msg.Values)
		case *pgproto3.ReadyForQuery:
			left--
		}
	}
	if want := tenant + "|" + tenant + "|{" + tenant + "}"; refused == nil && row != want {
		return fmt.Errorf("the claimed session is %s, want %s", row, want)
	}
	return refused
}

// pinOf is what a session is set to: it heals a current_user that is not the
// session's, and takes nothing from the settings of the tenant's role.
func pinOf(tenant string) string {
	return "SET SESSION AUTHORIZATION DEFAULT; SET search_path TO " + tenant + "; SET statement_timeout TO 3000"
}

// run runs one simple query and returns its rows.
func run(t *testing.T, c *pgconn.PgConn, sql string) (rows string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	results, err := c.Exec(ctx, sql).ReadAll()
	var all strings.Builder
	for _, result := range results {
		for _, row := range result.Rows {
			all.WriteString(text(row) + "\n")
		}
	}
	return strings.TrimSuffix(all.String(), "\n"), err
}

func text(values [][]byte) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return strings.Join(words, "|")
}

const whoami = "SELECT session_user, current_user"

// users returns session_user|current_user.
func users(t *testing.T, c *pgconn.PgConn) string {
	t.Helper()
	who, err := run(t, c, whoami)
	if err != nil {
		t.Fatal(err)
	}
	return who
}

func code(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// An abort puts back the current user that the transaction began with. It is
// why the claim has a transaction of its own.
func TestAClaimThatIsUndoneIsSeen(t *testing.T) {
	t.Parallel()
	g := newGate(t, nil)
	const auth = "SELECT gate.set_session_auth('acme')"
	for _, statements := range [][]string{
		{"BEGIN", auth, "ROLLBACK"},
		{auth + "; SELECT 1/0"},
		{"BEGIN", "SAVEPOINT s", auth, "ROLLBACK TO s", "COMMIT"},
		{"DO $$ BEGIN PERFORM gate.set_session_auth('acme'); PERFORM 1/0; EXCEPTION WHEN division_by_zero THEN NULL; END $$"},
		{"SET ROLE gateway", auth},
		{"SET SESSION AUTHORIZATION gateway", auth},
	} {
		c := g.connect(t, "gateway")
		for _, sql := range statements {
			_, _ = run(t, c, sql) // some are meant to fail
		}
		if who := users(t, c); !strings.HasSuffix(who, "|gateway") {
			t.Errorf("after %q the session is %s: this can be simpler now", statements, who)
		}
		if _, err := run(t, c, pinOf("acme")); err != nil {
			t.Error(err)
		}
		if who := users(t, c); who != "acme|acme" {
			t.Errorf("after %q and the pin the session is %s", statements, who)
		}
	}
}

func TestAClaimedSessionIsResetAsAnyOther(t *testing.T) {
	t.Parallel()
	g := newGate(t, nil)
	g.admin(t, "ALTER ROLE acme SET work_mem = '3MB'; ALTER ROLE gateway SET app.of = 'gateway'; ALTER DATABASE "+g.database+" SET app.db = 'set'")
	c := g.claimed(t)
	for _, sql := range []string{
		"SET search_path TO public; SET work_mem TO '7MB'; LISTEN x; SELECT pg_advisory_lock(1); CREATE TEMP TABLE items (id int)",
		"CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all(); " +
			"DISCARD TEMP; DISCARD SEQUENCES; SET search_path TO acme; SET statement_timeout TO 3000",
	} {
		if _, err := run(t, c, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	// The settings of the tenant's role are not taken; the gateway's are.
	got, err := run(t, c, `SELECT session_user, current_user, current_schemas(false), current_setting('statement_timeout'), current_setting('work_mem'),
		current_setting('app.of'), current_setting('app.db'), (SELECT count(*) FROM pg_listening_channels()),
		(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), to_regclass('pg_temp.items') IS NULL`)
	if want := "acme|acme|{acme}|3s|4MB|gateway|set|0|0|t"; err != nil || got != want {
		t.Errorf("the session is %s, want %s: %v", got, want, err)
	}
	if _, err := run(t, c, "RESET ALL"); err != nil {
		t.Fatal(err)
	}
	if rows, err := run(t, c, "TABLE items"); code(err) != "42P01" {
		t.Errorf("a session that resets itself reads %q, %v", rows, err)
	}
}

func TestARoleThatMayNotLogInIsNotClaimed(t *testing.T) {
	t.Parallel()
	for _, exits := range []string{"on", "off"} {
		g := newGate(t, pgtest.Settings{"set_user.exit_on_error": exits})
		g.admin(t, "CREATE ROLE nologin NOLOGIN", "CREATE ROLE boss SUPERUSER LOGIN", "CREATE ROLE full LOGIN CONNECTION LIMIT 0")
		for login, want := range map[string]string{
			"nologin": "28000", "boss": "42501", "full": "53300", "nobody": "XX000",
		} {
			c := g.connect(t, "gateway")
			if err := claim(t, c, login); code(err) != want {
				t.Errorf("claiming %s with exit_on_error %s: %v, want %s", login, exits, err, want)
			}
			if c.IsClosed() {
				continue
			}
			if who, err := run(t, c, whoami); err == nil && who != "gateway|gateway" {
				t.Errorf("claiming %s left %s", login, who)
			}
		}
	}
}

// What a dial would have found out has to be asked for: none of it keeps
// set_session_auth from working, nor does the extension's own list.
func TestAClaimDoesNotLookAtWhatADialLooksAt(t *testing.T) {
	t.Parallel()
	g := newGate(t, pgtest.Settings{"set_user.nosuperuser_target_allowlist": "acme"})
	for login, sql := range map[string]string{
		"outside":  "CREATE ROLE outside LOGIN", // may not connect to the database
		"expired":  "CREATE ROLE expired LOGIN VALID UNTIL '2001-01-01'; GRANT CONNECT ON DATABASE " + g.database + " TO expired",
		"unlisted": "CREATE ROLE unlisted LOGIN CREATEROLE BYPASSRLS; GRANT CONNECT ON DATABASE " + g.database + " TO unlisted",
	} {
		g.admin(t, sql, "CREATE SCHEMA "+login+" AUTHORIZATION "+login)
		c := g.connect(t, "gateway")
		if err := claim(t, c, login); err != nil {
			t.Errorf("%s: %v", login, err)
			continue
		}
		may, err := run(t, c, "SELECT has_database_privilege(session_user, current_database(), 'CONNECT')")
		if want := map[bool]string{true: "f", false: "t"}[login == "outside"]; err != nil || may != want {
			t.Errorf("%s may connect: %q, %v", login, may, err)
		}
	}
}
