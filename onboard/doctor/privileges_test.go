package doctor_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/onboard/doctor"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestWhatTheAdministratorLacksIsFound(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	admin := w.role("_admin", "LOGIN PASSWORD 'admin'")
	w.cluster.Admin = registry.NewSecret(w.srv.DSN(w.database, admin, "admin"))
	w.finds("privileges", doctor.Error, "lacks CREATEROLE")
	w.finds("privileges", doctor.Error, "database "+w.database+" of cluster main", "does not own it")

	w.super("ALTER ROLE "+admin+" CREATEROLE", "ALTER DATABASE "+w.database+" OWNER TO "+admin)
	t.Cleanup(func() { w.super("ALTER DATABASE " + w.database + " OWNER TO CURRENT_USER") })
	w.silent("privileges")
	own := w.tenant("own")
	own.Isolation, own.Database = registry.IsolationDatabase, w.prefix+"own"
	w.finds("privileges", doctor.Error, "lacks CREATEDB", "1 tenant wants", own.ID.String())
	w.super("ALTER ROLE " + admin + " CREATEDB")
	w.silent("privileges")
}

func TestALoginOfTenantsThatNothingHoldsIsFound(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.silent("privileges")
	w.super("ALTER ROLE " + w.prefix + "_app BYPASSRLS")
	w.finds("privileges", doctor.Warning, "BYPASSRLS")
	w.cluster.DSN = w.cluster.Admin
	w.finds("privileges", doctor.Warning, "is a superuser")
	w.tenant("shares")
	w.finds("privileges", doctor.Error, "is a superuser")
}

func TestRolesThatTheAdministratorCannotActForAreFound(t *testing.T) {
	t.Parallel()
	w := aloneWard(t)
	admin := w.role("_admin", "SUPERUSER LOGIN PASSWORD 'admin'")
	w.cluster.Admin = registry.NewSecret(w.srv.DSN(w.database, admin, "admin"))
	w.super("ALTER DATABASE " + w.database + " OWNER TO " + admin)
	t.Cleanup(func() { w.super("ALTER DATABASE " + w.database + " OWNER TO CURRENT_USER") })
	owner := w.role("_owner", "NOLOGIN")
	w.super("COMMENT ON ROLE " + owner + " IS 'poolkeeper: owner of schema shared in database app'")
	w.silent("privileges")
	w.super("ALTER ROLE " + admin + " NOSUPERUSER CREATEROLE")
	if w.major() < 16 {
		w.silent("privileges")
		return
	}
	w.finds("privileges", doctor.Error, "may not act for 1 role", owner)
	w.super("GRANT " + owner + " TO " + admin + " WITH ADMIN OPTION")
	w.silent("privileges")
}

func TestWhatEverybodyMayDoInADatabaseWithTenantsIsFound(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.silent("privileges")
	w.tenant("a")
	w.finds("privileges", doctor.Info, "every role may connect, ", "take advisory locks")
}

func (w *ward) major() (major int) {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), w.srv.AdminDSN(w.database))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close(w.t.Context()) }()
	if err := conn.QueryRow(w.t.Context(), "select current_setting('server_version_num')::int / 10000").Scan(&major); err != nil {
		w.t.Fatal(fmt.Errorf("asking for the version: %w", err))
	}
	return major
}
