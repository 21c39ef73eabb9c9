package onboard_test

import (
	"slices"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestALoginHasItsPathAndTimeoutAlsoByHand(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a := w.tenant("a", registry.IsolationSchema)
		a.Limits.StatementTimeout = 1500 * time.Millisecond
		p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
		for _, want := range []string{"1500ms", "", "2s"} {
			switch want {
			case "":
				a.Limits.StatementTimeout = 0
			case "2s":
				a.Limits.StatementTimeout = 2 * time.Second
			}
			w.provision(p, a)
			conn := w.connect(w.dsnOf(a, "")) // without a pin
			if got := w.strings(conn, "select current_schemas(false)::text"); got[0] != "{"+a.Schema+"}" {
				t.Errorf("the path is %q", got)
			}
			if want == "" {
				want = "0"
			}
			if got := w.strings(conn, "show statement_timeout"); got[0] != want {
				t.Errorf("the timeout is %q, want %s", got, want)
			}
		}
	})
}

func TestTheTimeoutByHandFollowsTheLimits(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a := withReader(w.tenant("a", registry.IsolationSchema))
		p := w.provisioner(onboard.Config{})
		w.provision(p, a)
		for limit, want := range map[time.Duration]string{2 * time.Second: "2s", 0: "0"} {
			a.Limits.StatementTimeout = limit
			if err := p.LimitConnections(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			for _, login := range []*registry.Tenant{a, reading(a)} {
				if got := w.strings(w.connect(w.dsnOf(login, "")), "show statement_timeout"); got[0] != want {
					t.Errorf("of %s it is %q, want %s", login.Login, got, want)
				}
			}
		}
	})
}

func TestTenantsWithTheClustersLoginShareIt(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
		for _, tenant := range []*registry.Tenant{a, b} {
			tenant.Login, tenant.Password = "", registry.Secret{}
			w.provision(w.provisioner(onboard.Config{Migrations: tenantTables(t)}), tenant)
		}
		if got := w.strings(w.as(b), "select name from items"); !slices.Equal(got, []string{b.Schema + " in " + w.database}) {
			t.Errorf("read %q", got)
		}
		fresh := w.connect(w.dsnOf(a, ""))
		w.refused(fresh, "42P01", "select * from items") // no path of one of them
	})
}

func TestTwoRecordsWithOneLoginShareIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
	b.Login, b.Password = a.Login, a.Password
	a.SharedLogin, b.SharedLogin = true, true
	w.provision(w.provisioner(onboard.Config{}), a, b)
}

func TestPoliciesFitTheColumnAndTheSetting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.tenant("a", registry.IsolationRow)
	dir := folder(t, map[string]string{"1_x.sql": `-- +goose Up
CREATE TABLE ids (tenant_id uuid NOT NULL);
CREATE TABLE own (tenant_id text NOT NULL);
CREATE POLICY theirs ON own USING (tenant_id = 'all');
INSERT INTO own VALUES ('all'), ('none');
`})
	w.provision(w.provisioner(onboard.Config{Shared: dir}), a)
	conn := w.as(a)
	const id = "5a1f2b0c-0000-4000-8000-000000000001"
	w.exec(conn, "select set_config('app.tenant_id', $1, false)", id)
	w.exec(conn, "insert into ids values ('"+id+"')")
	w.refused(conn, "42501", "insert into ids values ('5a1f2b0c-0000-4000-8000-000000000002')")
	w.exec(conn, "set app.tenant_id = ''")
	if got := w.strings(conn, "select tenant_id::text from ids"); len(got) != 0 {
		t.Errorf("an empty setting reads %q", got)
	}
	if got := w.strings(conn, "select tenant_id from own"); !slices.Equal(got, []string{"all"}) {
		t.Errorf("a policy of the table's own gives %q", got)
	}
	w.provision(w.provisioner(onboard.Config{Shared: dir, RowSetting: "other.tenant"}), a)
	w.exec(conn, "select set_config('other.tenant', $1, false)", id)
	if got := w.strings(conn, "select tenant_id::text from ids"); !slices.Equal(got, []string{id}) {
		t.Errorf("the new setting reads %q", got)
	}
	w.exec(conn, "set app.tenant_id = '"+id+"'")
	w.exec(conn, "set other.tenant = ''")
	if got := w.strings(conn, "select tenant_id::text from ids"); len(got) != 0 {
		t.Errorf("the old setting still reads %q", got)
	}
	// Not even the owner is beyond the policies.
	owner := w.connect(w.admin)
	w.exec(owner, "set role "+w.database+"_shared_owner")
	if got := w.strings(owner, "select tenant_id::text from shared.ids"); len(got) != 0 {
		t.Errorf("the owner reads %q", got)
	}
}

func TestAnAdministratorWithoutTheRightSaysWhichOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t) // the database stays the superuser's
	w.super("CREATE ROLE " + w.prefix + "_weak LOGIN CREATEROLE PASSWORD 'prov'")
	w.setAdmin(w.srv.DSN(w.database, w.prefix+"_weak", "prov"))
	p := w.provisioner(onboard.Config{})
	for name, tenant := range map[string]*registry.Tenant{
		"schema": w.tenant("a", registry.IsolationSchema), "database": w.tenant("d", registry.IsolationDatabase),
	} {
		err := p.Provision(t.Context(), tenant)
		if !isPrivilege(err) || !contains(err, w.prefix+"_weak", name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.super("CREATE ROLE " + w.prefix + "_none LOGIN PASSWORD 'prov'")
	w.setAdmin(w.srv.DSN(w.database, w.prefix+"_none", "prov"))
	err := w.provisioner(onboard.Config{}).Provision(t.Context(), w.tenant("n", registry.IsolationSchema))
	if !isPrivilege(err) || !contains(err, w.prefix+"_none", "role "+w.prefix+"n_owner") {
		t.Errorf("got %v", err)
	}
}
