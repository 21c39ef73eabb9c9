//go:build setuser

package integration_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// attempt is a try to get out of a claimed session.
type attempt struct {
	name       string
	statements []string
	// refused says that the server refuses one of the statements; else they
	// all succeed and change nothing.
	refused bool
}

// fails is an attempt of one statement that the server refuses.
func fails(sql string) attempt { return attempt{name: sql, statements: []string{sql}, refused: true} }

// idle is an attempt whose statements succeed and change nothing.
func idle(statements ...string) attempt {
	return attempt{name: strings.Join(statements, "; "), statements: statements}
}

// refused is an attempt of which the server refuses a part.
func refused(statements ...string) attempt {
	return attempt{name: strings.Join(statements, "; "), statements: statements, refused: true}
}

// escapesByCommand use the commands that change the user.
func escapesByCommand() []attempt {
	return []attempt{
		idle("RESET SESSION AUTHORIZATION"),
		idle("SET SESSION AUTHORIZATION DEFAULT"),
		idle("SET session_authorization = DEFAULT"),
		idle("SET SESSION AUTHORIZATION acme"),
		idle("SELECT set_config('session_authorization', NULL, false)"),
		idle("RESET ROLE"), idle("SET ROLE NONE"), idle("SET ROLE acme", "RESET ROLE"),
		idle("RESET ALL"), idle("DISCARD ALL"), idle("DISCARD PLANS"),
		fails("SET SESSION AUTHORIZATION gateway"), fails("SET SESSION AUTHORIZATION globex"),
		fails("SET SESSION AUTHORIZATION postgres"),
		refused("BEGIN", "SET LOCAL SESSION AUTHORIZATION gateway", "COMMIT"),
		fails("SELECT set_config('session_authorization', 'gateway', false)"),
		fails("SET ROLE gateway"), fails("SET ROLE globex"), fails("SET ROLE postgres"),
		fails("SELECT set_config('role', 'gateway', true)"),
		fails("SET is_superuser = on"),
		idle("UPDATE pg_settings SET setting = 'gateway' WHERE name IN ('role', 'session_authorization')"),
	}
}

// escapesByTransaction have the server put back what was before.
func escapesByTransaction() []attempt {
	return []attempt{
		refused("BEGIN", "SELECT 1/0", "ROLLBACK"),
		refused("SELECT 1; SELECT 1/0"),
		refused("BEGIN", "SAVEPOINT s", "SELECT 1/0", "ROLLBACK TO s", "COMMIT"),
		idle("BEGIN", "RESET SESSION AUTHORIZATION", "ROLLBACK"),
		idle("BEGIN", "SET LOCAL SESSION AUTHORIZATION acme", "COMMIT"),
		idle("BEGIN", "SET LOCAL SESSION AUTHORIZATION acme", "ROLLBACK"),
		idle("BEGIN", "SAVEPOINT s", "SET SESSION AUTHORIZATION DEFAULT", "ROLLBACK TO s", "COMMIT"),
		idle("BEGIN", "SET LOCAL ROLE acme", "SAVEPOINT s", "RESET ROLE", "ROLLBACK TO s", "ROLLBACK"),
		idle("DO $$ BEGIN PERFORM 1/0; EXCEPTION WHEN division_by_zero THEN NULL; END $$"),
		idle("DO $$ BEGIN RESET SESSION AUTHORIZATION; ROLLBACK; RESET ROLE; COMMIT; END $$"),
		refused("SET statement_timeout TO 20", "SELECT pg_sleep(5)"),
	}
}

// escapesByFunction call the extension, directly and through others.
func escapesByFunction() []attempt {
	const again = "gate.set_session_auth('globex')"
	return []attempt{
		fails("SELECT " + again), fails("SELECT gate.set_session_auth('gateway')"),
		fails("SELECT gate.set_user('globex')"), fails("SELECT gate.set_user('globex', 'token')"),
		fails("SELECT gate.set_user_u('postgres')"),
		idle("SELECT gate.reset_user()"), idle("SELECT gate.reset_user('token')"),
		fails("EXECUTE auth('globex')"), // the gateway prepared it
		fails("DO $$ BEGIN PERFORM " + again + "; END $$"),
		refused("CREATE FUNCTION s() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT "+again+" $$", "SELECT s()"),
		refused("CREATE VIEW v AS SELECT "+again+" AS x", "SELECT * FROM v"),
		refused("CREATE TABLE d (x text DEFAULT "+again+")", "INSERT INTO d DEFAULT VALUES"),
		refused("CREATE DOMAIN dom AS text CHECK (gate.set_session_auth(VALUE) = 'OK')", "SELECT 'globex'::dom"),
		fails("CREATE OPERATOR @@@ (FUNCTION = gate.set_session_auth, RIGHTARG = text)"),
		fails("CREATE FUNCTION s(text) RETURNS text LANGUAGE c STRICT AS '$libdir/set_user', 'set_session_auth'"),
		fails("CREATE FUNCTION s(text) RETURNS text LANGUAGE internal AS 'set_session_auth'"),
		fails("LOAD 'set_user'"), fails("CREATE EXTENSION set_user SCHEMA acme"),
		fails("GRANT EXECUTE ON FUNCTION gate.set_session_auth(text) TO acme"),
		fails("ALTER FUNCTION gate.set_session_auth(text) SECURITY DEFINER"),
		fails("SELECT gate.trusting('globex')"), // the superuser's, by whose rights it runs
	}
}

// escapesByRole use functions with another owner or with settings, and what
// acme may do to roles.
func escapesByRole() []attempt {
	return []attempt{
		idle("CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql SET session_authorization FROM CURRENT AS $$ BEGIN RETURN 1; END $$", "SELECT f()"),
		fails("CREATE FUNCTION f() RETURNS int LANGUAGE sql SET session_authorization = 'gateway' AS 'SELECT 1'"),
		fails("CREATE FUNCTION f() RETURNS int LANGUAGE sql SET role = 'gateway' AS 'SELECT 1'"),
		refused("CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'", "ALTER FUNCTION f() OWNER TO gateway"),
		fails("GRANT gateway TO acme"), fails("ALTER ROLE gateway SET search_path = acme"), fails("ALTER ROLE gateway PASSWORD 'x'"),
		idle("ALTER ROLE acme SET role = 'gateway'", "ALTER ROLE acme SET session_authorization = 'globex'", "RESET ALL", "DISCARD ALL", "ALTER ROLE acme RESET ALL"),
		fails("ALTER ROLE acme SUPERUSER"), fails("CREATE ROLE mine"),
		fails("REASSIGN OWNED BY gateway TO acme"), fails("ALTER DEFAULT PRIVILEGES FOR ROLE gateway GRANT ALL ON TABLES TO acme"),
		fails("CREATE SCHEMA mine AUTHORIZATION gateway"), fails("CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()"),
	}
}

// escapesByOtherMeans go past the session, or look for what the gateway left.
func escapesByOtherMeans() []attempt {
	loop := "host=127.0.0.1 user=gateway dbname=postgres"
	return []attempt{
		fails("COPY (SELECT 1) TO PROGRAM 'id'"), fails("COPY items TO '/tmp/acme'"), fails("SELECT pg_read_file('PG_VERSION')"),
		fails("ALTER SYSTEM SET work_mem = '1MB'"), fails("SELECT rolpassword FROM pg_authid"),
		fails("SELECT gate.dblink_connect('" + loop + "')"), fails("SELECT gate.dblink_connect_u('" + loop + "')"),
		refused("CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1')",
			"CREATE USER MAPPING FOR acme SERVER loop OPTIONS (user 'gateway')",
			"CREATE FOREIGN TABLE far (tenant text) SERVER loop OPTIONS (schema_name 'globex', table_name 'items')",
			"SELECT * FROM far"),
		fails("TABLE globex.items"), fails("EXECUTE peek"),
		refused("SET force_parallel_mode = on", "SELECT count(*) FROM globex.items"),
		idle("SET force_parallel_mode = on", "SELECT session_user, current_user, tenant FROM items"),
		refused("BEGIN", "LOCK TABLE globex.items"), fails("DROP TABLE globex.items"),
	}
}

func TestNothingGetsOutOfAClaimedSession(t *testing.T) {
	t.Parallel()
	g := newGate(t, nil)
	g.admin(t, "CREATE EXTENSION dblink SCHEMA gate; CREATE EXTENSION postgres_fdw; GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO acme",
		"GRANT CREATE ON DATABASE "+g.database+" TO acme", // the most that a tenant is given anywhere
		"CREATE FUNCTION gate.trusting(text) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT gate.set_session_auth($1)'")
	for kind, attempts := range map[string][]attempt{
		"command": escapesByCommand(), "transaction": escapesByTransaction(), "function": escapesByFunction(),
		"role": escapesByRole(), "other means": escapesByOtherMeans(),
	} {
		t.Run(kind, func(t *testing.T) {
			for _, a := range attempts {
				t.Run(a.name, func(t *testing.T) { g.try(t, a) })
			}
		})
	}
}

// try runs an attempt on a session of its own, and looks who it is then.
func (g *gate) try(t *testing.T, a attempt) {
	t.Helper()
	c := g.claimed(t, "PREPARE auth(text) AS SELECT gate.set_session_auth($1)", "PREPARE peek AS SELECT session_user, current_user, gate.set_session_auth('globex')")
	failed := false
	for _, sql := range a.statements {
		rows, err := run(t, c, sql)
		if strings.Contains(rows, secret) {
			t.Fatalf("%s read %q", sql, rows)
		}
		failed = failed || err != nil
		if !c.IsClosed() && c.TxStatus() != 'E' {
			if who := users(t, c); who != "acme|acme" {
				t.Errorf("after %s the session is %s", sql, who)
			}
		}
	}
	if failed != a.refused {
		t.Errorf("refused: %t, want %t", failed, a.refused)
	}
	if c.IsClosed() {
		return // the server ended the session: that is the end of the attempt
	}
	_, _ = run(t, c, "ROLLBACK") // whatever the attempt left open
	g.isAcme(t, c)
	g.admin(t, "DROP SCHEMA acme CASCADE; DROP SERVER IF EXISTS loop CASCADE",
		"CREATE SCHEMA acme AUTHORIZATION acme; CREATE TABLE acme.items AS SELECT 'row of acme' AS tenant; ALTER TABLE acme.items OWNER TO acme")
}

// isAcme fails unless the session is acme's alone, now, after an error, and
// after each way to reset it.
func (g *gate) isAcme(t *testing.T, c *pgconn.PgConn) {
	t.Helper()
	for _, sql := range []string{"SELECT 1", "SELECT 1/0", "RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL", "DISCARD ALL", pinOf("acme")} {
		_, err := run(t, c, sql)
		if want := sql == "SELECT 1/0"; (err != nil) != want {
			t.Errorf("%s: %v", sql, err)
		}
		if who := users(t, c); who != "acme|acme" {
			t.Errorf("after %s the session is %s", sql, who)
		}
		if rows, err := run(t, c, "TABLE globex.items"); code(err) != "42501" {
			t.Errorf("after %s the session reads %q, %v", sql, rows, err)
		}
	}
	if reported := c.ParameterStatus("session_authorization"); reported != "acme" {
		t.Errorf("the server reports the user %s", reported)
	}
}
