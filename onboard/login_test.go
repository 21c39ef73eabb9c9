package onboard_test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// limitOf is the CONNECTION LIMIT of a role.
func (w *world) limitOf(role string) string {
	w.t.Helper()
	return w.strings(w.connect(w.srv.AdminDSN(w.database)), "select rolconnlimit::text from pg_roles where rolname = $1", role)[0]
}

func TestALoginOfTheTenantsOwnHasALimitOfConnections(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a, b := w.tenant("a", registry.IsolationSchema), w.tenant("b", registry.IsolationSchema)
		b.Login, b.Password = "", registry.Secret{}
		for _, c := range []struct{ own, ofAll, replicas, want int }{
			{0, 0, 0, -1}, {0, 4, 0, 11}, {6, 4, 0, 15}, {6, 4, 3, 39}, {6, 0, 1, 15}, {0, 0, 1, 15}, // 0 leaves it
		} {
			a.Limits.MaxConns, w.cluster.Replicas = c.own, c.replicas
			b.Limits.MaxConns = c.own
			w.provision(w.provisioner(onboard.Config{MaxConns: c.ofAll}), a, b)
			if got := w.limitOf(a.Login); got != strconv.Itoa(c.want) {
				t.Errorf("%+v: %s", c, got)
			}
			if got := w.limitOf(w.prefix + "_app"); got != "-1" {
				t.Errorf("the shared login has %s", got)
			}
		}
	})
}

func TestALimitIsChangedAlone(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		p := w.provisioner(everything(t))
		a := w.tenant("a", registry.IsolationSchema)
		if err := p.LimitConnections(t.Context(), a); !errors.Is(err, onboard.ErrConflict) || !contains(err, "does not exist") {
			t.Errorf("without a login: %v", err)
		}
		w.provision(p, a)
		w.exec(w.as(a), "alter role "+a.Login+" password 'changed'")
		a.Limits.MaxConns = 9
		for range 2 {
			if err := p.LimitConnections(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			if got := w.limitOf(a.Login); got != "21" {
				t.Errorf("the limit is %s", got)
			}
		}
		if _, err := pgx.Connect(t.Context(), w.dsnOf(a, "")); sqlState(err) != "28P01" {
			t.Errorf("the password was changed, too: %v", err)
		}
		w.super("COMMENT ON ROLE " + a.Login + " IS NULL")
		if err := p.LimitConnections(t.Context(), a); !errors.Is(err, onboard.ErrConflict) {
			t.Errorf("for somebody else's login: %v", err)
		}
	})
}

func TestTheNextPasswordTakesThePlaceOfTheOld(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		p := w.provisioner(onboard.Config{})
		a := w.tenant("a", registry.IsolationSchema)
		w.provision(p, a)
		old := w.as(a)
		a.NextPassword = registry.NewSecret("the next one")
		next := *a
		next.Password, next.NextPassword = a.NextPassword, registry.Secret{}
		for _, change := range []string{"SELECT 1", "ALTER ROLE " + a.Login + " VALID UNTIL '2000-01-01'", "ALTER ROLE " + a.Login + " PASSWORD NULL"} {
			w.super(change)
			if err := p.SetPassword(t.Context(), a); err != nil {
				t.Fatalf("after %s: %v", change, err)
			}
			w.as(&next)
			if _, err := pgx.Connect(t.Context(), w.dsnOf(a, "")); sqlState(err) != "28P01" {
				t.Errorf("the old password gives %v", err)
			}
		}
		w.exec(old, "select 1") // open sessions stay
		w.exec(w.as(&next), "alter role "+a.Login+" password 'changed'")
		if err := p.SetPassword(t.Context(), &next); err != nil {
			t.Errorf("a password that the tenant changed: %v", err)
		}
		w.as(&next)
	})
}

func TestAPasswordIsSetForNoOtherLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.provisioner(onboard.Config{})
	shared := w.tenant("shared", registry.IsolationSchema)
	shared.Login, shared.Password = "", registry.Secret{}
	own := w.tenant("own", registry.IsolationSchema)
	w.provision(p, shared, own)
	shared.NextPassword = registry.NewSecret("x")
	if err := p.SetPassword(t.Context(), shared); !errors.Is(err, onboard.ErrConflict) || !contains(err, "shared by several tenants") {
		t.Errorf("a shared login: %v", err)
	}
	// The remark comes last, because it stays: a login is told by it before anything else.
	for _, c := range []struct{ change, text string }{
		{"ALTER ROLE NAME NOLOGIN", "LOGIN is false"},
		{"ALTER ROLE NAME LOGIN; COMMENT ON ROLE NAME IS 'poolkeeper: login of gone'", "is the login of gone"},
	} {
		w.super(replaceNames(c.change, own, own))
		before := w.snapshot(nil)
		if err := p.SetPassword(t.Context(), own); !errors.Is(err, onboard.ErrConflict) || !contains(err, c.text) {
			t.Errorf("%s: %v", c.change, err)
		}
		if after := w.snapshot(nil); len(after) != len(before) {
			t.Errorf("%s: something was changed", c.change)
		}
	}
}

func TestSlotsAreThoseThatTenantsCanHave(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		p := w.provisioner(onboard.Config{})
		if slots, err := p.Slots(t.Context(), "main"); err != nil || slots != 197 { // of 200, 3 are the superuser's
			t.Errorf("%d, %v", slots, err)
		}
		if _, err := p.Slots(t.Context(), "none"); !errors.Is(err, onboard.ErrCluster) || !contains(err, "none") {
			t.Errorf("got %v", err)
		}
	})
}

func TestATenantIdIsNotCutToTheLengthOfItsColumn(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		long := w.tenant("-and-more", registry.IsolationRow)
		short := &registry.Tenant{}
		*short = *long
		short.ID = registry.MustParseID(w.prefix)
		dir := folder(t, map[string]string{"1_x.sql": "-- +goose Up\n" +
			"CREATE DOMAIN narrow AS varchar(" + strconv.Itoa(len(w.prefix)) + ");\n" +
			"CREATE TABLE a (tenant_id varchar(" + strconv.Itoa(len(w.prefix)) + "));\n" +
			"CREATE TABLE b (tenant_id char(" + strconv.Itoa(len(w.prefix)) + "));\n" +
			"CREATE TABLE c (tenant_id narrow);\n"})
		p := w.provisioner(onboard.Config{Shared: dir})
		w.provision(p, short, long)
		for _, table := range []string{"a", "b", "c"} {
			w.exec(w.as(short), "insert into "+table+" values ($1)", short.ID.String())
		}
		// As an earlier release made it.
		w.super("DROP POLICY poolkeeper_tenant ON shared.a", "CREATE POLICY poolkeeper_tenant ON shared.a USING "+
			"(tenant_id = nullif(current_setting('app.tenant_id', true), '')::varchar("+strconv.Itoa(len(w.prefix))+"))")
		w.provision(p, short)
		for _, table := range []string{"a", "b", "c"} {
			if got := w.strings(w.as(long), "select tenant_id::text from "+table); len(got) != 0 {
				t.Errorf("%s: the rows of another are read: %q", table, got)
			}
		}
		if err := p.Drop(t.Context(), long); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"a", "b", "c"} {
			if got := w.strings(w.as(short), "select tenant_id::text from "+table); len(got) != 1 {
				t.Errorf("%s: the rows of another were deleted", table)
			}
		}
	})
}
