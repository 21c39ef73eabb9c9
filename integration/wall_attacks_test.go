package integration_test

import "strings"

// attack is what a hostile client sends, and what must come of it.
type attack struct {
	// sql is a request. " && " stands between the statements of a batch,
	// " ;; " between requests that follow each other; the last one is judged.
	sql string
	// want is the SQLSTATE of the refusal, ok, or several with | between
	// them. ddl is the same for who may change its schema, alone for who has
	// a database of its own; "" is want.
	want, ddl, alone string
	// value is what the only row has, "" for anything.
	value string
}

// outcome that this tenant must get.
func (a attack) outcome(tenant string) []string {
	want := a.want
	switch {
	case a.ddl != "" && strings.HasSuffix(tenant, "-ddl"):
		want = a.ddl
	case a.alone != "" && strings.HasPrefix(tenant, "database"):
		want = a.alone
	}
	return strings.Split(want, "|")
}

// denied are attacks that PostgreSQL refuses for want of a right.
func denied(statements ...string) []attack {
	var all []attack
	for _, sql := range statements {
		all = append(all, attack{sql: sql, want: "42501"})
	}
	return all
}

// elsewhere are attacks on a schema that a database of one's own does not have.
func elsewhere(statements ...string) []attack {
	var all []attack
	for _, sql := range statements {
		all = append(all, attack{sql: sql, want: "42501", alone: "42P01|3F000|42704|42883"})
	}
	return all
}

// harmless are statements that succeed and change nothing for anybody else, or
// for whoever gets the session next.
func harmless(statements ...string) []attack {
	var all []attack
	for _, sql := range statements {
		all = append(all, attack{sql: sql, want: "ok"})
	}
	return all
}

// each has a DO block try statement with every name n of a query, and fail
// with what succeeded.
func each(query, statement string) attack {
	return attack{want: "ok", sql: `DO $do$ DECLARE o record; won text := ''; BEGIN
		FOR o IN ` + query + ` LOOP BEGIN EXECUTE ` + statement + `; won := won || ' ' || o.n;
			EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP;
		IF won <> '' THEN RAISE EXCEPTION 'won: %', won USING ERRCODE = 'PK001'; END IF; END $do$`}
}

// What there is besides one's own.
const (
	otherRoles     = `SELECT rolname AS n FROM pg_roles WHERE rolname <> '{login}'`
	otherDatabases = `SELECT datname AS n FROM pg_database`
	otherSchemas   = `SELECT nspname AS n FROM pg_namespace WHERE nspname <> '{schema}'`
	otherTables    = `SELECT format('%I.%I', s.nspname, c.relname) AS n FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
		WHERE s.nspname <> '{schema}' AND c.relname <> 'pg_settings' AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 't')`
	userTables    = otherTables + ` AND s.nspname NOT IN ('pg_catalog', 'information_schema')`
	otherRoutines = `SELECT f.oid::regprocedure AS n FROM pg_proc f WHERE f.pronamespace <> '{schema}'::regnamespace AND f.proname ~ '^(pg_|lo|revealed|dblink)'`
	otherSessions = `SELECT pg_stat_get_backend_pid(b) AS n FROM pg_stat_get_backend_idset() b
		WHERE pg_stat_get_backend_userid(b) IS DISTINCT FROM (SELECT oid FROM pg_roles WHERE rolname = '{login}')`
)

// assault is a group of attacks.
type assault struct {
	name    string
	attacks []attack
	closely bool // look at the next session after each
}

// assaults are all attacks that must fail whoever provisioned.
func assaults() []assault {
	return []assault{
		{"to be somebody else", toBeAnother(), false},
		{"to read what is another's", toRead(), false},
		{"to write to what is another's", toWrite(), false},
		{"to leave something in the session", toLeave(), true},
		{"to reach the machine", toReachTheMachine(), false},
		{"to make what the server shares", toMakeShared(), false},
		{"to change how others are served", toChangeOthers(), false},
		{"to look at what others do", toWatch(), false},
		{"to get past the gateway", toGetPast(), true},
	}
}

func toBeAnother() []attack {
	all := denied(
		"SET ROLE {victim.login}", "SET ROLE {victim.owner}", "SET ROLE {victim.alone}", "SET ROLE postgres", "SET ROLE pg_read_all_data",
		"SET ROLE pg_execute_server_program", "SET LOCAL ROLE {app}", "SELECT set_config('role', '{victim.login}', false)",
		"SET SESSION AUTHORIZATION {victim.login}", "SET SESSION AUTHORIZATION postgres",
		"SELECT set_config('session_authorization', 'postgres', false)",
		"DO $$ BEGIN EXECUTE 'SET ROLE ' || quote_ident('{victim.login}'); END $$",
		"GRANT {victim.login} TO {login}", "GRANT pg_read_all_data TO {login}", "GRANT {victim.owner} TO {login} WITH ADMIN OPTION",
		"ALTER ROLE {login} SUPERUSER", "ALTER ROLE {login} CREATEROLE", "ALTER ROLE {login} CREATEDB", "ALTER ROLE {login} REPLICATION",
		"ALTER ROLE {login} BYPASSRLS", "ALTER ROLE {login} CONNECTION LIMIT -1", "ALTER ROLE {login} VALID UNTIL 'infinity'",
		"ALTER ROLE {victim.login} PASSWORD 'mine'", "ALTER ROLE {victim.login} SET search_path = x", "ALTER ROLE {victim.login} NOLOGIN",
		"ALTER ROLE {victim.login} RENAME TO gone", "ALTER ROLE ALL SET work_mem = '64kB'", "ALTER ROLE {app} PASSWORD 'mine'",
		"COMMENT ON ROLE {victim.login} IS 'x'", "COMMENT ON ROLE {login} IS 'poolkeeper: login of tenant x in database y'",
		"GRANT {login} TO {victim.login}", "REASSIGN OWNED BY {victim.login} TO {login}", "REASSIGN OWNED BY {login} TO {victim.login}", "DROP OWNED BY {victim.login} CASCADE",
		"DROP ROLE {victim.login}", "CREATE ROLE another", "CREATE USER another SUPERUSER",
	)
	return append(all,
		attack{sql: "ALTER ROLE {login} RENAME TO another", want: "42501|0A000"},
		attack{sql: "DROP ROLE {login}", want: "42501|55006"},
		each(otherRoles, `format('SET ROLE %I', o.n)`),
		each(otherRoles, `format('SET SESSION AUTHORIZATION %I', o.n)`),
		each(otherRoles, `format('GRANT %I TO %I', o.n, current_user)`),
		each(otherRoles, `format('ALTER ROLE %I PASSWORD ''mine''', o.n)`),
		each(otherRoles, `format('ALTER ROLE %I SET work_mem = ''64kB''', o.n)`),
		each(otherRoles, `format('DROP ROLE %I', o.n)`),
		each(otherRoles, `format('REASSIGN OWNED BY %I TO %I', o.n, current_user)`),
		attack{sql: "SELECT rolpassword FROM pg_authid", want: "42501"},
		attack{sql: "SELECT * FROM pg_shadow", want: "42501"},
		attack{sql: "SELECT count(*) FROM pg_roles WHERE rolpassword <> '********'", want: "ok", value: "0"},
		attack{
			want: "42883", ddl: "42501",
			sql: "CREATE FUNCTION {schema}.become() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS " +
				"$$ BEGIN EXECUTE 'SET ROLE postgres'; RETURN current_user; END $$ ;; SELECT {schema}.become()",
		},
	)
}

func toRead() []attack {
	all := elsewhere(
		"SELECT * FROM {victim}.items", "TABLE {victim}.items", "SELECT * FROM {victim}.shown", "SELECT * FROM {victim}.kept",
		"SELECT last_value FROM {victim}.counter", "SELECT {victim}.revealed()", "SELECT 'x'::{victim}.narrow",
		"SELECT * FROM poolkeeper.tenants", "EXPLAIN SELECT * FROM {victim}.items", "EXPLAIN (ANALYZE) SELECT * FROM {victim}.items WHERE owner = 'x'",
		"SELECT * FROM ONLY {victim}.items TABLESAMPLE SYSTEM (100)", "SELECT owner::int FROM {victim}.items",
		"WITH x AS MATERIALIZED (SELECT * FROM {victim}.items) SELECT * FROM x", "SELECT (SELECT min(owner) FROM {victim}.items)",
		"/* x */ SELECT -- y\n * FROM\t{victim} . items", `SELECT * FROM U&"{victim}".U&"\0069tems"`, "PREPARE p AS SELECT * FROM {victim}.items",
		"DECLARE c CURSOR WITH HOLD FOR SELECT * FROM {victim}.items", "SELECT xmin, ctid FROM {victim}.items",
		"DO $$ DECLARE x text; BEGIN EXECUTE 'SELECT owner FROM ' || '{victim}' || '.items WHERE id = 2' INTO x; RAISE EXCEPTION '%', x; END $$",
		"SELECT query_to_xml('SELECT * FROM {victim}.items', true, false, '')", "SELECT table_to_xml('{victim}.items'::regclass, true, false, '')",
		"SELECT * FROM ts_stat('SELECT to_tsvector(owner) FROM {victim}.items')", "SELECT currval('{victim}.counter')", "SELECT nextval('{victim}.counter')",
		"SELECT pg_get_viewdef('{victim}.shown')",
	)
	all = append(all, denied(
		"SELECT * FROM pg_statistic", "SELECT * FROM pg_largeobject", "SELECT * FROM pg_statistic_ext_data", "SELECT * FROM pg_user_mapping",
		"SELECT subconninfo FROM pg_subscription", "SELECT pg_database_size('{victim.database}')", "SELECT pg_database_size('{control}')",
	)...)
	return append(all,
		attack{sql: "SELECT * FROM public.items", want: "42501", alone: "ok"},
		attack{sql: "SET search_path = {victim} && SELECT * FROM items", want: "42P01"},
		attack{sql: "SET search_path = {victim}, public && SELECT owner FROM items", want: "42P01|42501", alone: "ok"},
		attack{sql: "SELECT set_config('search_path', '{victim}', false) && SELECT * FROM items", want: "42P01"},
		attack{sql: "RESET ALL && SELECT * FROM items", want: "ok"},
		attack{sql: "RESET search_path && SELECT * FROM items", want: "ok"},
		attack{sql: "SET search_path = DEFAULT && SELECT * FROM items", want: "ok"},
		attack{sql: "DISCARD ALL", want: "ok"},
		attack{sql: "SELECT * FROM {victim.database}.public.items", want: "0A000"},
		attack{sql: "SELECT * FROM {control}.poolkeeper.tenants", want: "0A000"},
		attack{sql: `SELECT * FROM "{victim}` + strings.Repeat("x", 80) + `".items`, want: "42P01"},
		each(userTables, `format('SELECT * FROM %s LIMIT 1', o.n)`),
		each(userTables, `format('SELECT query_to_xml(%L, true, false, '''')', 'TABLE ' || o.n)`),
		each(`SELECT c.oid AS n FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace WHERE c.relkind = 'S' AND s.nspname <> '{schema}'`,
			`format('SELECT nextval(%s::oid::regclass), setval(%s::oid::regclass, 1)', o.n, o.n)`),
		each(`SELECT oid AS n FROM pg_largeobject_metadata WHERE pg_get_userbyid(lomowner) <> '{login}'`, `format('SELECT lo_get(%s)', o.n)`),
		each(`SELECT oid AS n FROM pg_largeobject_metadata WHERE pg_get_userbyid(lomowner) <> '{login}'`, `format('SELECT lo_open(%s, 262144)', o.n)`),
		attack{sql: "SELECT count(*) FROM pg_stats WHERE schemaname NOT IN ('{schema}', 'pg_catalog', 'information_schema')", want: "ok", value: "0"},
		attack{sql: "SELECT count(*) FROM pg_stats_ext WHERE schemaname <> '{schema}'", want: "ok", value: "0"},
		attack{sql: "SELECT count(*) FROM information_schema.tables WHERE table_schema NOT IN ('{schema}', 'pg_catalog', 'information_schema', 'extensions')", want: "ok", value: "0"},
		attack{sql: "SELECT count(*) FROM information_schema.columns WHERE table_schema NOT IN ('{schema}', 'pg_catalog', 'information_schema', 'extensions')", want: "ok", value: "0"},
		attack{sql: "SELECT count(last_value) FROM pg_sequences WHERE schemaname <> '{schema}'", want: "ok", value: "0"},
		attack{sql: "SELECT count(*) FROM pg_roles r WHERE rolname <> current_user AND pg_has_role(r.oid, 'USAGE')", want: "ok", value: "0"},
		attack{sql: "SELECT has_database_privilege('{victim.database}', 'CONNECT')", want: "ok", value: "f"},
		attack{sql: "SELECT count(*) FROM pg_namespace WHERE nspname <> '{schema}' AND has_schema_privilege(oid, 'CREATE')", want: "ok", value: "0"},
	)
}

func toWrite() []attack {
	all := elsewhere(
		"INSERT INTO {victim}.items VALUES (9, 'x')", "UPDATE {victim}.items SET owner = 'x'", "DELETE FROM {victim}.items", "TRUNCATE {victim}.items",
		"DROP TABLE {victim}.items", "ALTER TABLE {victim}.items ADD x int", "CREATE TABLE {victim}.x (y int)", "CREATE INDEX ON {victim}.items (id)",
		"CREATE FUNCTION {victim}.x() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE VIEW {victim}.v AS SELECT 1",
		"CREATE OPERATOR {victim}.= (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)", "CREATE TYPE {victim}.y AS (z int)",
		"CREATE TRIGGER x BEFORE INSERT ON {victim}.items FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
		"CREATE RULE x AS ON INSERT TO {victim}.items DO INSTEAD NOTHING", "CREATE POLICY x ON {victim}.items", "SELECT 1 && LOCK TABLE {victim}.items",
		"GRANT SELECT ON {victim}.items TO {login}", "GRANT ALL ON SCHEMA {victim} TO {login}", "REVOKE ALL ON {victim}.items FROM {victim.login}",
		"DROP SCHEMA {victim} CASCADE", "ALTER SCHEMA {victim} RENAME TO gone", "ALTER SCHEMA {victim} OWNER TO {login}",
		"COMMENT ON TABLE {victim}.items IS 'x'", "REFRESH MATERIALIZED VIEW {victim}.kept", "SELECT setval('{victim}.counter', 1)",
		"MERGE INTO {victim}.items i USING (SELECT 2) s(id) ON i.id = s.id WHEN MATCHED THEN DELETE", "REINDEX TABLE {victim}.items", "CLUSTER {victim}.items",
		"ANALYZE {victim}.items", "VACUUM FULL {victim}.items", "INSERT INTO poolkeeper.tenants VALUES ('x', 'y')",
	)
	all = append(all, denied(
		"ALTER DEFAULT PRIVILEGES FOR ROLE {victim.owner} GRANT SELECT ON TABLES TO {login}",
		"ALTER DEFAULT PRIVILEGES FOR ROLE {victim.login} GRANT ALL ON TABLES TO {login}",
		"INSERT INTO pg_catalog.pg_proc DEFAULT VALUES", "UPDATE pg_catalog.pg_authid SET rolsuper = true", "CREATE TABLE pg_catalog.x (y int)",
		"CREATE FUNCTION pg_catalog.lower(text, int) RETURNS int LANGUAGE sql AS 'SELECT 1'", "ALTER TABLE pg_catalog.pg_class SET (autovacuum_enabled = off)",
		"SELECT 1 && LOCK TABLE pg_catalog.pg_class IN ACCESS EXCLUSIVE MODE", "SELECT 1 && LOCK TABLE pg_catalog.pg_authid", "SELECT * FROM pg_class FOR UPDATE",
		"CREATE TEMP TABLE x (y int)", "CREATE FUNCTION pg_temp.lower(text) RETURNS text LANGUAGE sql AS 'SELECT 1::text'", "CREATE VIEW pg_temp.items AS SELECT 1",
		"SELECT * INTO TEMP x FROM items",
	)...)
	return append(all,
		attack{sql: "CREATE TABLE public.x (y int)", want: "42501", ddl: "42501|ok"},
		attack{sql: "CREATE FUNCTION public.lower(text) RETURNS text LANGUAGE sql AS 'SELECT 1::text'", want: "42501", ddl: "42501|ok"},
		attack{sql: "CREATE TABLE theirs (x int)", want: "42501", ddl: "ok"},
		attack{sql: "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", want: "42501", ddl: "ok"},
		attack{sql: "ALTER TABLE items OWNER TO {victim.login}", want: "42501"},
		attack{sql: "ALTER TABLE items SET SCHEMA {victim}", want: "42501", alone: "42501|3F000", ddl: "42501|3F000"},
		attack{sql: "CREATE TABLE heir () INHERITS ({victim}.items)", want: "42501", alone: "42P01|42501", ddl: "42501|42P01|3F000"},
		attack{sql: "CREATE TABLE pointer (id int REFERENCES {victim}.items)", want: "42501", alone: "42P01|42501", ddl: "42501|42P01|3F000"},
		attack{sql: "CREATE TABLE alike (LIKE {victim}.items INCLUDING ALL)", want: "42501", alone: "42P01|42501", ddl: "42501|42P01|3F000"},
		each(otherTables, `format('INSERT INTO %s DEFAULT VALUES', o.n)`),
		each(otherTables, `format('DELETE FROM %s', o.n)`),
		each(otherTables, `format('TRUNCATE %s', o.n)`),
		each(otherTables, `format('DROP TABLE %s', o.n)`),
		each(otherTables, `format('ALTER TABLE %s OWNER TO %I', o.n, current_user)`),
		each(otherTables, `format('CREATE TRIGGER x BEFORE INSERT ON %s FOR EACH STATEMENT EXECUTE FUNCTION suppress_redundant_updates_trigger()', o.n)`),
		each(otherTables, `format('CREATE RULE x AS ON INSERT TO %s DO ALSO NOTHING', o.n)`),
		each(otherTables, `format('LOCK TABLE %s IN SHARE MODE', o.n)`),
		each(otherSchemas, `format('CREATE TABLE %I.theirs (x int)', o.n)`),
		each(otherSchemas, `format('CREATE FUNCTION %I.theirs() RETURNS int LANGUAGE sql AS ''SELECT 1''', o.n)`),
		each(otherSchemas, `format('DROP SCHEMA %I CASCADE', o.n)`),
		each(otherRoutines, `format('ALTER ROUTINE %s OWNER TO %I', o.n, current_user)`),
		each(otherRoutines, `format('DROP ROUTINE %s', o.n)`),
		each(`SELECT oid AS n FROM pg_largeobject_metadata WHERE pg_get_userbyid(lomowner) <> '{login}'`, `format('SELECT lo_unlink(%s)', o.n)`),
		each(`SELECT oid AS n FROM pg_largeobject_metadata WHERE pg_get_userbyid(lomowner) <> '{login}'`, `format('SELECT lo_put(%s, 0, ''x'')', o.n)`),
		each(`SELECT oid AS n FROM pg_largeobject_metadata WHERE pg_get_userbyid(lomowner) <> '{login}'`, `format('GRANT ALL ON LARGE OBJECT %s TO %I', o.n, current_user)`),
	)
}

func toLeave() []attack {
	return append(harmless(
		"SET search_path = {victim}", "SELECT set_config('search_path', 'public', false)", "SET statement_timeout = 0",
		"SET app.tenant_id = '{victim}'", "SELECT set_config('app.anything', 'x', false)", "SET default_transaction_read_only = on",
		"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE", "SET IntervalStyle = 'sql_standard'",
		"SET client_encoding = 'LATIN1'", "SET standard_conforming_strings = off", "SET row_security = off", "SET TIME ZONE 'Asia/Tokyo'",
		"SET idle_in_transaction_session_timeout = 0", "SET lock_timeout = 1", "SET client_min_messages = error", "SET enable_seqscan = off",
		"SET plan_cache_mode = force_generic_plan", "SET default_tablespace = ''", "SET check_function_bodies = off", "SET synchronous_commit = off",
		"BEGIN", "BEGIN ISOLATION LEVEL SERIALIZABLE", "START TRANSACTION READ ONLY", "SET TRANSACTION READ ONLY", "LISTEN everybody",
		"UPDATE pg_settings SET setting = 'postgres' WHERE name = 'role'",
		"PREPARE mine AS SELECT 1", "SELECT setseed(0.5)", "SET ROLE NONE", "RESET SESSION AUTHORIZATION", "SET SESSION AUTHORIZATION DEFAULT",
		"DEALLOCATE ALL", "DISCARD PLANS", "DISCARD SEQUENCES", "LOAD '$libdir/plugins/nothing' ;; SELECT 1", "RESET ALL", "COMMIT", "ROLLBACK",
		"SET SESSION statement_timeout = 61234 && SET LOCAL app.x = 'y'", "DO $$ BEGIN EXECUTE 'SET work_mem = ''64kB'''; EXECUTE 'PREPARE poolkeeper_canary2 AS SELECT 1'; END $$",
		"UPDATE pg_settings SET setting = '64' WHERE name = 'work_mem'", "NOTIFY everybody, 'x'", "SELECT pg_notify('everybody', 'x')",
		"SELECT pg_export_snapshot()",
	),
		attack{sql: "PREPARE mine AS SELECT 1 ;; EXECUTE mine", want: "26000"},
		attack{sql: "DECLARE c CURSOR WITH HOLD FOR SELECT 1 ;; FETCH c", want: "34000"},
		attack{sql: "SET app.x = 'kept' ;; SELECT coalesce(nullif(current_setting('app.x', true), ''), 'gone')", want: "ok", value: "gone"},
		attack{sql: "SELECT set_config('app.tenant_id', 'kept', false) ;; SELECT coalesce(nullif(current_setting('app.tenant_id', true), ''), 'gone')", want: "ok", value: "gone"},
		attack{sql: "SET LOCAL app.x = 'kept' ;; SELECT coalesce(nullif(current_setting('app.x', true), ''), 'gone')", want: "ok", value: "gone"},
		attack{sql: "SELECT lastval()", want: "55000"},
		attack{sql: "SELECT pg_export_snapshot() ;; SET TRANSACTION SNAPSHOT '00000003-00000001-1'", want: "25001|0A000|42704|22023|25P01"},
		attack{sql: "BEGIN ;; SAVEPOINT x", want: "25P01"},
		attack{sql: "SET statement_timeout = 0 ;; SELECT current_setting('statement_timeout') <> '0'", want: "ok", value: "t"},
		attack{sql: "SELECT set_config('search_path', '{victim}', false) ;; SELECT current_schemas(false)::text", want: "ok", value: "{{schema}}"},
		attack{sql: "UNLISTEN * ;; SELECT count(*) FROM pg_listening_channels()", want: "ok", value: "0"},
	)
}
