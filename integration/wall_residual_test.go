package integration_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
)

// What PostgreSQL lets everybody do, and what a superuser can take from them.
// docs/security.md says the same in words; a test that fails here is a page
// that is wrong there.

// closable are attacks that succeed until a superuser has run what the log
// names, and are refused then.
func closable() []string {
	return []string{
		"SELECT count(*) FROM pg_stat_activity", "SELECT count(*) FROM pg_stat_get_activity(null)", "SELECT count(*) FROM pg_stat_ssl",
		"SELECT count(*) FROM pg_stat_replication",
		"SELECT pg_advisory_lock(4711)", "SELECT pg_try_advisory_lock(4711)", "SELECT pg_advisory_xact_lock(4711)", "SELECT pg_advisory_lock_shared(4711)",
		"SELECT lo_create(0)", "SELECT lo_from_bytea(0, 'x')", "SELECT lo_creat(-1)",
		"SELECT pg_logical_emit_message(false, 'x', 'y')", "SELECT pg_logical_emit_message(true, 'x', 'y'::bytea)",
		"SELECT domain_in('1', 'information_schema.cardinal_number'::regtype, -1)::text",
	}
}

func TestWhatASuperuserHasToCloseIsClosedByTheStatementsInTheLog(t *testing.T) {
	t.Parallel()
	for administrator, want := range map[string]string{superuser: "42501", ordinary: "", assisted: "42501"} {
		t.Run(administrator, func(t *testing.T) {
			t.Parallel()
			s := newSiege(t, pgtest.Shared(), administrator)
			for _, attacker := range attackers() {
				session := s.session(t, attacker)
				for _, sql := range closable() {
					got := s.ask(t, attacker, nil, sql)
					if (want != "" && got.outcome() != want) || (want == "" && got.outcome() == "42501") {
						t.Errorf("%s: %s: %d %s, want %q: %.200s", attacker, sql, got.status, got.outcome(), want, got.text)
					}
				}
				s.sameSession(t, attacker, "what can be closed", session)
				if got := s.ask(t, attacker, nil, "SHOW temp_file_limit").one(); (got == "-1") != (administrator == ordinary) {
					t.Errorf("%s: temporary files are limited to %s", attacker, got)
				}
			}
		})
	}
}

func TestNamesDefinitionsAndCountsAreSeenByEverybody(t *testing.T) {
	t.Parallel()
	s := newSiege(t, pgtest.Shared(), superuser)
	for query, alone := range map[string]bool{ // whether a database of one's own hides it
		"SELECT count(*) > 0 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '{victim}' AND relname = 'items'":                 true,
		"SELECT count(*) > 0 FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE c.relnamespace = to_regnamespace('{victim}') AND attname = 'owner'": true,
		"SELECT sum(reltuples) > 0 FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = '{victim}')":                               true,
		"SELECT count(*) > 0 FROM pg_proc WHERE proname = 'revealed' AND prosrc LIKE '%items%'":                                                                true,
		"SELECT coalesce(sum(pg_relation_size(c.oid)), 0) > 0 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '{victim}'":      true,
		"SELECT count(*) > 0 FROM pg_stat_all_tables WHERE schemaname = '{victim}'":                                                                            true,
		"SELECT count(*) > 0 FROM pg_roles WHERE rolname = '{victim.login}'":                                                                                   false,
		"SELECT count(*) > 0 FROM pg_database WHERE datname IN ('{control}')":                                                                                  false,
		"SELECT count(*) > 0 FROM pg_shdescription d JOIN pg_roles r ON r.oid = d.objoid WHERE r.rolname = '{victim.login}' AND description LIKE '%tenant%'":   false,
		"SELECT count(*) > 0 FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole WHERE r.rolname = '{victim.login}'":                                false,
		"SELECT count(*) > 0 FROM pg_stat_get_backend_idset() b JOIN pg_roles r ON r.oid = pg_stat_get_backend_userid(b) WHERE r.rolname = '{victim.login}'":   false,
		"SELECT count(*) > 0 FROM pg_stat_database WHERE datname = '{victim.database}'":                                                                        false,
		"SELECT count(*) > 0 FROM pg_locks WHERE pid = pg_backend_pid()":                                                                                       false,
		"SELECT pg_tablespace_size('pg_default') > 0":                                                                                                          false,
		"SELECT count(*) > 0 FROM pg_settings WHERE name = 'max_connections'":                                                                                  false,
	} {
		for _, attacker := range attackers() {
			if got := s.ask(t, "victim", nil, "SELECT count(*) FROM items"); got.status != http.StatusOK {
				t.Fatal(got.text)
			}
			got := s.ask(t, attacker, nil, s.fill(query, attacker))
			hidden := alone && strings.HasPrefix(attacker, "database")
			if seen := got.one() == "t"; seen == hidden || got.status != http.StatusOK {
				t.Errorf("%s: %s: %.200s", attacker, query, got.text)
			}
			if strings.Contains(got.text, loot) {
				t.Errorf("%s: %s: %.200s", attacker, query, got.text)
			}
		}
	}
}

// A tenant may change settings and the password of its own login, and give its
// own rights away. It harms itself; provisioning mends it.
func TestARoleThatAltersItselfHarmsNobodyElse(t *testing.T) {
	t.Parallel()
	for _, administrator := range administrators() {
		t.Run(administrator, func(t *testing.T) {
			t.Parallel()
			s := newSiege(t, pgtest.Shared(), administrator)
			for _, attacker := range []string{"schema", "database-ddl"} {
				for _, sql := range []string{
					"ALTER ROLE {login} SET search_path = '{victim}', public", "ALTER ROLE {login} SET statement_timeout = 0",
					"ALTER ROLE {login} SET default_transaction_read_only = on", "ALTER ROLE {login} IN DATABASE {database} SET work_mem = '1GB'",
					"ALTER ROLE {login} PASSWORD 'guessed'", "ALTER ROLE {login} RESET ALL",
				} {
					s.harm(t, attacker, sql)
					if got := s.again(t, attacker, "SELECT current_schemas(false)::text || current_setting('statement_timeout')"); got.one() != s.fill("{{schema}}30s", attacker) {
						t.Errorf("after %s the next session is %.200s", sql, got.text)
					}
					s.forget(t, attacker)
				}
				s.harm(t, attacker, "ALTER ROLE {login} SET local_preload_libraries = 'nothing'") // no new session of its own starts
				s.forget(t, attacker)
			}
			s.harm(t, "schema", "DROP OWNED BY {login}")
			s.mends(t, "schema")
		})
	}
}

// harm has a tenant do something to itself, loses its sessions, and looks
// whether the victims are well.
func (s *siege) harm(t *testing.T, attacker, sql string) {
	t.Helper()
	if got := s.again(t, attacker, s.fill(sql, attacker)); got.status != http.StatusOK {
		t.Fatalf("%s: %d %s", sql, got.status, got.text)
	}
	admin(t, s.server, "", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+s.names[attacker].Login+"'")
	for _, victim := range []string{"victim", "victim-database"} {
		if got := s.ask(t, victim, nil, "SELECT count(*) FROM items"); got.one() != "2" {
			t.Errorf("after %s the %s is answered %d %s", sql, victim, got.status, got.text)
		}
	}
}

// forget undoes, as an operator would, what a role has set for itself.
func (s *siege) forget(t *testing.T, tenant string) {
	t.Helper()
	admin(t, s.server, s.database, s.fill("ALTER ROLE {login} RESET ALL", tenant), s.fill("ALTER ROLE {login} IN DATABASE {database} RESET ALL", tenant),
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+s.names[tenant].Login+"'")
}

// again asks until the tenant's pool has noticed that its sessions ended.
func (s *siege) again(t *testing.T, tenant, sql string) (got reply) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if got = s.ask(t, tenant, nil, sql); got.status != http.StatusServiceUnavailable {
			break
		}
		<-time.After(20 * time.Millisecond)
	}
	return got
}

// mends provisions a tenant again and looks whether it can work.
func (s *siege) mends(t *testing.T, name string) {
	t.Helper()
	op, err := s.operator.Provision(t.Context(), "test", s.id(name))
	s.done(t, op, err)
	s.works(t, s.record(t, s.id(name)))
}

// Notifications have no privileges: whoever is in a database hears and sends
// on every channel of it, and of no other.
func TestNotificationsReachTheDatabaseAndNoOther(t *testing.T) {
	t.Parallel()
	s := newSiege(t, pgtest.Shared(), superuser)
	for attacker, want := range map[string]bool{"schema": true, "database": false} {
		l := s.listen(t, s.record(t, s.id("victim")))
		if got := s.ask(t, attacker, nil, "NOTIFY everybody, 'from "+attacker+"'"); got.status != http.StatusOK {
			t.Fatal(got.text)
		}
		if got := s.ask(t, "victim", nil, "NOTIFY everybody, 'last'"); got.status != http.StatusOK {
			t.Fatal(got.text)
		}
		n, err := l.WaitForNotification(t.Context())
		if err != nil || (n.Payload == "from "+attacker) != want {
			t.Errorf("%s: heard %v, %v", attacker, n, err)
		}
	}
}

// The lock table is one for the whole server. Whoever may make tables can take
// many places in it for as long as a request may last; who may not has no way
// once the advisory locks are closed.
func TestTheLockTableIsSharedByAllWhoMayMakeTables(t *testing.T) {
	t.Parallel()
	server := pgtest.StartWith(t, pgtest.Settings{"max_connections": "60", "max_locks_per_transaction": "10"})
	s := newSiege(t, server, superuser)
	const fill = `DO $$ BEGIN FOR i IN 1..100000 LOOP EXECUTE 'CREATE TABLE {schema}.filler' || i || ' (x int)'; END LOOP; END $$`
	for attacker, want := range map[string]string{"schema": "42501", "schema-ddl": "53200", "database": "42501", "database-ddl": "53200"} {
		if got := s.ask(t, attacker, nil, s.fill(fill, attacker)); got.outcome() != want {
			t.Errorf("%s: %d %.300s, want %s", attacker, got.status, got.text, want)
		}
		if got := s.ask(t, "victim", nil, "SELECT count(*) FROM items"); got.one() != "2" {
			t.Errorf("afterwards the victim is answered %d %s", got.status, got.text)
		}
	}
}

func TestSQLFromClientsIsRefusedForIsolationsThatAreNoWall(t *testing.T) {
	t.Parallel()
	s := newSiege(t, pgtest.Shared(), superuser)
	unsafe := func(name string) {
		t.Helper()
		got := s.ask(t, name, nil, "SELECT 1")
		if got.status != http.StatusForbidden || got.code != "isolation" {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	unsafe("row")
	shared := registry.Tenant{ID: s.id("common"), Isolation: registry.IsolationSchema, Login: s.prefix + "_app", Password: registry.NewSecret(password)}
	op, err := s.operator.Add(t.Context(), "test", lifecycle.Spec{Tenant: shared})
	s.done(t, op, err)
	unsafe("common")
	for i, sql := range []string{"ALTER ROLE {login} CREATEROLE", "ALTER ROLE {login} BYPASSRLS", "GRANT pg_read_all_data TO {login}", "ALTER ROLE {login} SUPERUSER"} {
		name := fmt.Sprintf("fallen-%d", i)
		s.names[name] = s.besieged(t, name)
		admin(t, s.server, s.database, s.fill(sql, name))
		unsafe(name)
		admin(t, s.server, s.database, s.fill("ALTER ROLE {login} NOSUPERUSER NOCREATEROLE NOBYPASSRLS", name))
	}
}
