package integration_test

import "strings"

func toReachTheMachine() []attack {
	all := denied(
		"SELECT pg_read_file('postgresql.conf')", "SELECT pg_read_file('/etc/passwd', 0, 100)", "SELECT pg_read_binary_file('/etc/passwd')",
		"SELECT pg_ls_dir('.')", "SELECT * FROM pg_ls_logdir()", "SELECT * FROM pg_ls_waldir()", "SELECT * FROM pg_ls_tmpdir()",
		"SELECT pg_stat_file('postgresql.conf')", "SELECT lo_import('/etc/passwd')", "SELECT lo_export(1, '/tmp/x')",
		"SELECT pg_rotate_logfile()", "SELECT pg_reload_conf()", "SELECT pg_current_logfile()", "SELECT pg_switch_wal()", "SELECT pg_create_restore_point('x')",
		"SELECT pg_promote()", "SELECT * FROM pg_hba_file_rules", "SELECT * FROM pg_file_settings", "SELECT * FROM pg_config",
		"SELECT pg_log_backend_memory_contexts(1)", "SELECT * FROM pg_backend_memory_contexts", "SELECT * FROM pg_shmem_allocations",
		"SHOW data_directory", "SELECT current_setting('hba_file')", "SELECT current_setting('data_directory')",
		"ALTER SYSTEM SET work_mem = '64kB'", "ALTER SYSTEM RESET ALL", "CHECKPOINT", "LOAD 'dblink'", "LOAD '$libdir/file_fdw'", "LOAD '/tmp/evil.so'",
		"SET session_preload_libraries = 'x'", "SET log_statement = 'none'", "SET session_replication_role = 'replica'", "SET lo_compat_privileges = on",
		"SET temp_file_limit = -1", "SET zero_damaged_pages = on", "SET allow_system_table_mods = on", "SET log_min_messages = debug5", "SET log_duration = on",
		"SELECT pg_create_physical_replication_slot('x')", "SELECT pg_create_logical_replication_slot('x', 'pgoutput')",
		"SELECT pg_drop_replication_slot('x')", "SELECT pg_logical_slot_get_changes('x', null, null)", "SELECT pg_replication_origin_create('x')",
		"SELECT pg_stat_reset()", "SELECT pg_stat_reset_shared('bgwriter')", "SELECT pg_wal_replay_pause()", "SELECT pg_nextoid('pg_class', 'oid', 'pg_class_oid_index')",
		"SELECT * FROM extensions.dblink_connect_u('host=127.0.0.1')", "CREATE SERVER x FOREIGN DATA WRAPPER file_fdw", "CREATE SERVER x FOREIGN DATA WRAPPER postgres_fdw",
		"CREATE FOREIGN DATA WRAPPER x", "CREATE USER MAPPING FOR {login} SERVER x",
		"DO $$ BEGIN EXECUTE 'COPY (SELECT 1) TO PROGRAM ''id'''; END $$", "DO $$ BEGIN EXECUTE 'COPY (SELECT 1) TO ''/tmp/x'''; END $$",
		"DO $$ BEGIN EXECUTE 'CREATE TABLE {schema}.passwords (y text)'; EXECUTE 'COPY {schema}.passwords FROM ''/etc/passwd'''; END $$",
		"DO $$ BEGIN EXECUTE 'ALTER SYSTEM SET work_mem = 1'; END $$",
	)
	for i, a := range all { // what is looked for before the right is asked for
		switch {
		case strings.HasPrefix(a.sql, "CREATE USER MAPPING"):
			all[i].want = "42704"
		case strings.Contains(a.sql, "ALTER SYSTEM SET work_mem = 1'"):
			all[i].want = "25001|42501"
		case strings.HasPrefix(a.sql, "SELECT pg_wal_replay_pause"), strings.HasPrefix(a.sql, "SELECT pg_logical_slot_get"):
			all[i].want = "42501|55000"
		}
	}
	return append(all,
		attack{sql: "COPY items TO PROGRAM 'id'", want: "0A000"}, attack{sql: "/* */ ; copy (SELECT 1) to '/tmp/x'", want: "0A000"},
		attack{sql: "COPY items FROM STDIN", want: "0A000"}, attack{sql: "COPY (SELECT 1) TO STDOUT", want: "0A000"},
		attack{sql: "DO $$ BEGIN EXECUTE 'COPY items TO STDOUT'; END $$", want: "0A000"},
		attack{sql: "CREATE FUNCTION x() RETURNS int LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'", want: "42501"},
		attack{sql: "CREATE FUNCTION x(cstring) RETURNS cstring LANGUAGE internal AS 'textin'", want: "42501"},
		attack{sql: "SELECT * FROM extensions.dblink('host=127.0.0.1 user=postgres dbname={control}', 'SELECT 1') AS x(y int)", want: "2F003"},
		attack{sql: "SELECT * FROM extensions.dblink('dbname={control}', 'SELECT 1') AS x(y int)", want: "2F003|08001"},
		attack{sql: "SELECT * FROM extensions.dblink('service=x passfile=/etc/passwd', 'SELECT 1') AS x(y int)", want: "2F003|08001"},
		attack{sql: "CREATE TEXT SEARCH DICTIONARY {schema}.x (TEMPLATE = synonym, SYNONYMS = '../../../../../etc/passwd')", want: "42501", ddl: "22023"},
		attack{sql: `SELECT xmlparse(DOCUMENT '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>')::text`, want: "ok|2200M|0A000"},
		attack{sql: "SELECT inet_server_addr() IS NOT NULL", want: "ok"},
		each("SELECT name AS n FROM pg_settings WHERE context <> 'user'", "format('SELECT set_config(%L, current_setting(%L), false)', o.n, o.n)"),
		each("SELECT name AS n FROM pg_settings WHERE context <> 'user'", "format('ALTER ROLE {login} SET %I = ''1''', o.n)"),
	)
}

func toMakeShared() []attack {
	all := denied(
		"CREATE SCHEMA x", "CREATE SCHEMA x AUTHORIZATION {login}", "CREATE EXTENSION hstore", "CREATE EXTENSION pgcrypto SCHEMA {schema}",
		"ALTER EXTENSION plpgsql UPDATE", "DROP EXTENSION plpgsql", "DROP LANGUAGE plpgsql",
		"CREATE EVENT TRIGGER x ON ddl_command_end EXECUTE FUNCTION suppress_redundant_updates_trigger()",
		"CREATE PUBLICATION x", "CREATE PUBLICATION x FOR ALL TABLES", "CREATE ACCESS METHOD x TYPE INDEX HANDLER bthandler",
		"CREATE CAST (text AS int) WITH INOUT AS IMPLICIT", "CREATE TRUSTED LANGUAGE x HANDLER plpgsql_call_handler",
		"CREATE OPERATOR CLASS {schema}.x FOR TYPE int USING btree AS STORAGE int", "CREATE TEXT SEARCH TEMPLATE {schema}.x (LEXIZE = dsimple_lexize)",
		"ALTER DATABASE {database} SET work_mem = '64kB'", "ALTER DATABASE {database} RENAME TO gone", "ALTER DATABASE {database} OWNER TO {login}",
		"COMMENT ON DATABASE {database} IS 'x'", "ALTER DATABASE {control} SET search_path = x", "ALTER DATABASE {victim.database} CONNECTION LIMIT 0",
		"ALTER LARGE OBJECT 1 OWNER TO {login}", "CREATE SUBSCRIPTION x CONNECTION 'host=127.0.0.1' PUBLICATION y WITH (connect = false)",
		"CREATE FUNCTION {schema}.x() RETURNS int LANGUAGE sql LEAKPROOF AS 'SELECT 1'",
	)
	for i, a := range all {
		if strings.HasPrefix(a.sql, "ALTER LARGE OBJECT") {
			all[i].want = "42704"
		}
	}
	return append(all,
		attack{sql: "CREATE LANGUAGE plperl", want: "42501|0A000"},
		attack{sql: "CREATE DATABASE x", want: "42501"}, attack{sql: "CREATE DATABASE x TEMPLATE {control}", want: "42501"},
		attack{sql: "DROP DATABASE {victim.database} WITH (FORCE)", want: "42501"}, attack{sql: "DROP DATABASE {control}", want: "42501"},
		attack{sql: "CREATE TABLESPACE x LOCATION '/tmp'", want: "42501"}, attack{sql: "DROP TABLESPACE pg_default", want: "42501"},
		attack{sql: "REINDEX DATABASE {database}", want: "42501"}, attack{sql: "REINDEX SYSTEM {database}", want: "42501"},
		attack{sql: "SECURITY LABEL ON ROLE {victim.login} IS 'x'", want: "42501|22023"},
		attack{sql: "CREATE TABLE here (x int) TABLESPACE pg_global", want: "42501", ddl: "42501|22023"},
		each(otherDatabases, `format('ALTER DATABASE %I SET work_mem = ''64kB''', o.n)`),
		each(otherDatabases, `format('ALTER DATABASE %I OWNER TO %I', o.n, current_user)`),
		each(otherDatabases, `format('COMMENT ON DATABASE %I IS ''x''', o.n)`),
		each(otherDatabases, `format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC, {victim.login}', o.n)`).warned(),
		each(otherDatabases, `format('GRANT ALL ON DATABASE %I TO %I', o.n, current_user)`).warned(),
		each("SELECT name AS n FROM pg_available_extensions WHERE installed_version IS NULL", `format('CREATE EXTENSION %I', o.n)`),
	)
}

// warned is an attack of which PostgreSQL makes a warning for who has some
// right of the kind: only what comes of it counts.
func (a attack) warned() attack {
	a.want = "ok|PK001"
	return a
}

func toChangeOthers() []attack {
	return append(harmless(
		"LISTEN everybody ;; DO $$ BEGIN PERFORM pg_notify('everybody', repeat('x', 7000) || i) FROM generate_series(1, 100) i; END $$",
		"VACUUM", "ANALYZE", "CLUSTER",
		"DO $$ BEGIN FOR i IN 1..200 LOOP BEGIN PERFORM 1/0; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$",
	),
		each(otherSessions, `format('SELECT 1 / pg_terminate_backend(%s)::int', o.n)`),
		each(otherSessions, `format('SELECT 1 / pg_cancel_backend(%s)::int', o.n)`),
		attack{sql: "SELECT pg_terminate_backend(pg_stat_get_backend_pid(b)) FROM pg_stat_get_backend_idset() b WHERE pg_stat_get_backend_userid(b) <> (SELECT oid FROM pg_roles WHERE rolname = '{login}')", want: "42501|ok"},
		attack{sql: "SELECT repeat('x', 2000000)", want: "result_too_large"},
		attack{sql: "SELECT repeat('x', 1000) FROM generate_series(1, 100000)", want: "result_too_large"},
		attack{sql: "SELECT repeat(repeat('x', 1000000), 2000)", want: "54000"},
		attack{sql: "WITH RECURSIVE x AS (SELECT 1 UNION ALL SELECT 1 FROM x) SELECT count(*) FROM x", want: "deadline|57014"},
		attack{sql: "SET statement_timeout = 0 && SELECT pg_sleep(3600)", want: "deadline|57014"},
		attack{sql: "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$", want: "deadline|57014"},
		attack{sql: "SELECT regexp_matches(repeat('a', 5000), '(a|a?)+(a|a?)+(a|a?)+b')", want: "ok|deadline|57014|2201B|54000"},
		attack{sql: "CREATE FUNCTION {schema}.deep(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN {schema}.deep($1 + 1); END $$ ;; SELECT {schema}.deep(1)", want: "42883", ddl: "54001"},
	)
}

func toWatch() []attack {
	return append(harmless(
		"SELECT count(*) FROM pg_stat_database", "SELECT count(*) FROM pg_locks", "SELECT count(*) FROM pg_prepared_xacts", "SELECT count(*) FROM pg_cursors",
		"SELECT 1",
	),
		attack{sql: "SELECT count(*) FROM pg_stat_get_backend_idset() b WHERE pg_stat_get_backend_activity(b) NOT LIKE '<%' AND pg_stat_get_backend_userid(b) <> (SELECT oid FROM pg_roles WHERE rolname = '{login}')", want: "ok", value: "0"},
		attack{sql: "SELECT count(pg_stat_get_backend_client_addr(b)) FROM pg_stat_get_backend_idset() b WHERE pg_stat_get_backend_userid(b) <> (SELECT oid FROM pg_roles WHERE rolname = '{login}')", want: "ok", value: "0"},
		attack{sql: "SELECT count(*) FROM pg_prepared_statements WHERE statement NOT LIKE 'SELECT 1'", want: "ok", value: "0"},
		attack{sql: "SELECT count(umoptions) FROM pg_user_mappings WHERE usename <> '{login}'", want: "ok", value: "0"},
		attack{sql: "SELECT count(*) FROM pg_db_role_setting s WHERE array_to_string(s.setconfig, ' ') ~ 'password'", want: "ok", value: "0"},
		attack{sql: "SELECT pg_database_size('{control}')", want: "42501"},
		attack{sql: "SELECT count(*) FROM pg_stat_get_wal_senders() w WHERE w.state IS NOT NULL", want: "ok", value: "0"},
	)
}

func toGetPast() []attack {
	return []attack{
		{sql: "SELECT 1; SELECT 2", want: "42601"},
		{sql: "SELECT 1; SET ROLE postgres", want: "42601"},
		{sql: "SELECT 1 /* ; */ ; DROP TABLE {victim}.items", want: "42601"},
		{sql: "SELECT 1;", want: "ok"},
		{sql: "", want: "ok"},
		{sql: "-- nothing", want: "ok"},
		{sql: "SELECT 1 /* /* nested */", want: "42601"},
		{sql: "SELECT 1 && COMMIT", want: "2D000"},
		{sql: "SELECT 1 && /* x */ END", want: "2D000"},
		{sql: "SELECT 1 && abort work", want: "2D000"},
		{sql: "SELECT 1 && PREPARE TRANSACTION 'x'", want: "2D000"},
		{sql: "SELECT 1 && COMMIT AND CHAIN", want: "2D000"},
		{sql: "SELECT 1 && DO $$ BEGIN COMMIT; END $$", want: "2D000"},
		{sql: "SELECT 1 && ;COMMIT", want: "2D000"},
		{sql: "SELECT 1 && --\n--\nrollback", want: "2D000"},
		{sql: "SELECT 1 && SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", want: "25001"},
		{sql: "PREPARE TRANSACTION 'x'", want: "ok"},
		{sql: "COMMIT PREPARED 'x'", want: "42704|25001"},
		{sql: "\ufeffCOPY items TO STDOUT", want: "42601"},
		{sql: "SELECT 'x\u0000y'", want: "bad_request|22021"},
		{sql: "SELECT E'\\xff'", want: "22021"},
		{sql: "SELECT convert_from('\\xff', 'UTF8')", want: "22021"},
		{sql: "SET client_encoding = 'LATIN1' && SELECT chr(233)", want: "ok"},
		{sql: "SELECT chr(233)", want: "ok", value: "é"},
		{sql: "SET client_encoding = 'SQL_ASCII' && SELECT * FROM {victim}.items", want: "42501", alone: "42P01"},
		{sql: "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '57P01'; END $$", want: "57P01"},
		{sql: "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '28P01'; END $$", want: "28P01"},
		{sql: "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '53300'; END $$", want: "53300"},
		{sql: "SELECT pg_terminate_backend(pg_backend_pid())", want: "57P01|database_unavailable"},
		{sql: "SELECT pg_cancel_backend(pg_backend_pid())", want: "57014|deadline"},
		{sql: "DEALLOCATE poolkeeper_canary ;; SELECT owner FROM items WHERE id = 1", want: "ok"},
		{sql: "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; EXECUTE 'PREPARE poolkeeper_canary AS SELECT 1'; END $$ ;; SELECT 1", want: "ok"},
		{sql: "SET application_name = 'x' ;; SELECT current_setting('application_name') <> 'x'", want: "ok", value: "t"},
	}
}
