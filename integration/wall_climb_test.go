package integration_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

// Criterion: SQL from a client reaches nothing but its own tenant, whoever
// provisioned, and leaves nothing behind.
func TestSQLFromAClientReachesNoOtherTenant(t *testing.T) {
	t.Parallel()
	for _, administrator := range administrators() {
		t.Run(administrator, func(t *testing.T) {
			t.Parallel()
			s := newSiege(t, pgtest.Shared(), administrator)
			before := s.others(t)
			t.Run("as", func(t *testing.T) { // ends when all of them have
				for _, attacker := range attackers() {
					t.Run(attacker, func(t *testing.T) {
						t.Parallel()
						for _, a := range assaults() {
							t.Run(a.name, func(t *testing.T) { s.withstand(t, attacker, a) })
						}
					})
				}
			})
			if lost, come := difference(before, s.others(t)); len(lost)+len(come) > 0 {
				t.Errorf("what is others' has changed: lost %q, come %q", lost, come)
			}
		})
	}
}

// withstand makes the attacks and looks afterwards at the session that comes
// next, and at the victims.
func (s *siege) withstand(t *testing.T, attacker string, assault assault) {
	t.Helper()
	session := s.session(t, attacker)
	for _, a := range assault.attacks {
		got := s.attack(t, attacker, a)
		if want := a.outcome(attacker); !slices.Contains(want, got.outcome()) {
			t.Errorf("%s: %d %s, want %s: %.300s", a.sql, got.status, got.outcome(), strings.Join(want, " or "), got.text)
		} else if value := s.fill(a.value, attacker); value != "" && got.one() != value {
			t.Errorf("%s: %.300s, want %s", a.sql, got.one(), value)
		}
		if assault.closely {
			s.sameSession(t, attacker, a.sql, session)
		}
	}
	s.sameSession(t, attacker, "all of it", session)
	for _, victim := range []string{"victim", "victim-database"} {
		if got := s.ask(t, victim, nil, "SELECT count(*) FILTER (WHERE owner = '"+loot+"') FROM items"); got.one() != "1" {
			t.Errorf("the %s is answered %d %s", victim, got.status, got.text)
		}
	}
}

func (s *siege) sameSession(t *testing.T, attacker, after, want string) {
	t.Helper()
	if now := s.session(t, attacker); now != want {
		t.Errorf("after %s the next session is\n%s, was\n%s", after, now, want)
	}
}

// attack sends the requests of an attack and returns the last reply. None may
// have anything of the others'.
func (s *siege) attack(t *testing.T, attacker string, a attack) (got reply) {
	t.Helper()
	timeout := "20"
	if strings.Contains(a.want, "deadline") { // it has no end
		timeout = "300ms"
	}
	for request := range strings.SplitSeq(s.fill(a.sql, attacker), " ;; ") {
		got = s.ask(t, attacker, http.Header{"X-Request-Timeout": {timeout}}, strings.Split(request, " && ")...)
		if strings.Contains(got.text, loot) {
			t.Errorf("%s: the answer has what is another's: %.300s", request, got.text)
		}
		if got.status >= http.StatusInternalServerError && got.code == "internal" {
			t.Errorf("%s: %d %s", request, got.status, got.text)
		}
	}
	return got
}

// session is what the tenant's next session is like, all of it that a tenant
// can change; its own row is in it.
func (s *siege) session(t *testing.T, tenant string) string {
	t.Helper()
	got := s.ask(t, tenant, nil, `SELECT session_user, current_user, current_schemas(false)::text,
		(SELECT string_agg(owner, ',') FROM items WHERE id = 1),
		(SELECT string_agg(name || '=' || setting, ',' ORDER BY name) FROM pg_settings WHERE source IN ('session', 'client', 'user', 'database user') AND name NOT LIKE 'transaction%'),
		(SELECT count(*) FROM pg_settings WHERE name LIKE '%.%' AND name NOT LIKE 'plpgsql.%'),
		coalesce(current_setting('app.tenant_id', true), '') || coalesce(current_setting('app.x', true), '') || coalesce(current_setting('app.anything', true), ''),
		(SELECT string_agg(name, ',') FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors WHERE name <> ''), (SELECT count(*) FROM pg_listening_channels()),
		(SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'),
		(SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()),
		pg_current_xact_id_if_assigned() IS NULL, current_setting('transaction_isolation'), current_setting('transaction_read_only')`)
	if got.status != http.StatusOK {
		t.Errorf("the next session is answered %d %s", got.status, got.text)
	}
	return strings.Join(slices.Concat(got.rows...), "\n")
}

// difference of two sorted lists.
func difference(before, after []string) (lost, come []string) {
	for _, line := range before {
		if _, found := slices.BinarySearch(after, line); !found {
			lost = append(lost, line)
		}
	}
	for _, line := range after {
		if _, found := slices.BinarySearch(before, line); !found {
			come = append(come, line)
		}
	}
	return lost, come
}
