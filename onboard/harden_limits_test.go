package onboard_test

import (
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// assisted provisions a, runs what the log asks a superuser for, and provisions
// again.
func (w *world) assisted(p *onboard.Provisioner, a *registry.Tenant) {
	w.t.Helper()
	w.provision(p, a)
	if _, statements, ok := strings.Cut(w.log.String(), `statements="`); ok {
		statements = strings.ReplaceAll(strings.TrimSuffix(strings.TrimSpace(statements), `"`), `\"`, `"`)
		w.super(strings.Split(statements, "; ")...)
	}
	w.log.Reset()
	w.provision(p, a)
	if w.log.Len() > 0 {
		w.t.Errorf("the log still says %q", w.log.String())
	}
}

func TestTemporaryFilesHaveALimitThatTheTenantCannotLift(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		p := w.provisioner(onboard.Config{})
		a, shared := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
		shared.Login, shared.Password = "", registry.Secret{}
		a.ReadLogin, a.ReadPassword = a.Login+"_reader", registry.NewSecret("reads")
		w.assisted(p, a)
		w.provision(p, shared)
		const show = "select current_setting('temp_file_limit')"
		if got := w.strings(w.as(a), show); got[0] != "10GB" {
			t.Errorf("the tenant's limit is %s", got)
		}
		if got := w.strings(w.connect(w.srv.DSN(w.database, a.ReadLogin, "reads")), show); got[0] != "10GB" {
			t.Errorf("the reader's limit is %s", got)
		}
		if got := w.strings(w.as(shared), show); got[0] != "-1" {
			t.Errorf("the shared login's limit is %s", got)
		}
		for _, sql := range []string{
			"set temp_file_limit = -1", "alter role " + a.Login + " set temp_file_limit = -1", "alter role " + a.Login + " reset temp_file_limit",
		} {
			w.refused(w.as(a), "42501", sql)
		}
		w.exec(w.as(a), "alter role "+a.Login+" reset all") // of what it may set
		if got := w.strings(w.as(a), show); got[0] != "10GB" {
			t.Errorf("after reset all the limit is %s", got)
		}
	})
}

func TestALimitOfTemporaryFilesThatAnOperatorHasSetStays(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		p := w.provisioner(onboard.Config{})
		a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
		w.provision(p, a)
		w.super("ALTER ROLE " + a.Login + " SET temp_file_limit = '20GB'")
		w.provision(p, a)
		w.super("ALTER DATABASE " + w.database + " SET temp_file_limit = '30GB'")
		w.provision(p, b)
		for tenant, want := range map[*registry.Tenant]string{a: "20GB", b: "30GB"} {
			if got := w.strings(w.as(tenant), "select current_setting('temp_file_limit')"); got[0] != want {
				t.Errorf("%s: %s", tenant.ID, got)
			}
		}
	})
}

func TestATypeIsNotUsedByItsNumber(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		p := w.provisioner(onboard.Config{})
		a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
		a.DDL, b.DDL = true, true
		w.assisted(p, a)
		w.provision(p, b)
		victim := w.as(b)
		for _, sql := range []string{
			"create function secret() returns text language sql security definer as 'select ''x''::text'",
			"create domain guarded as text check (value = secret())", "create type pair as (one guarded, many guarded[])",
			"create type span as range (subtype = int)", "create table used (d guarded, l guarded[], p pair, s span, i int[])",
		} {
			w.exec(victim, sql)
		}
		w.exec(victim, "insert into used values ($1, $2, $3, $4, $5)", "x", []string{"x"}, "(x,{x})", "[1,2)", []int{1})
		if got := w.strings(victim, "select format('%s %s %s %s', d, l, p, i) from used"); got[0] != `x {x} (x,{x}) {1}` {
			t.Errorf("read %q", got)
		}
		for _, sql := range []string{
			"select domain_in('x', oid, -1)::text from pg_type where typname = 'guarded'",
			"select array_in('{x}', oid, -1)::text from pg_type where typname = 'guarded'",
			"select record_in('(x,{x})', oid, -1)::text from pg_type where typname = 'pair'",
			"select range_in('[1,2)', oid, -1)::text from pg_type where typname = 'span'",
			"select pg_logical_emit_message(false, 'x', 'y')",
		} {
			w.refused(w.as(a), "42501", sql)
		}
	})
}
