package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/onboard/doctor"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

var _ doctor.Migrations = (*onboard.Provisioner)(nil)

var _ doctor.Records = (*control.Database)(nil)

func TestTablesThatExistTwiceAreFound(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	a, b := w.tenant("a"), w.tenant("b")
	w.super("CREATE TABLE "+a.Schema+".items (n int)", "CREATE TABLE "+b.Schema+".items (n int)", "CREATE TABLE public.others (n int)")
	w.silent("shadow")
	w.super("CREATE TABLE public.items (n int)")
	w.finds("shadow", doctor.Info, "database "+w.database, "schema public: items (in 2 schemas)")
	w.setup.SearchPathTail = []string{"common", "public"}
	w.finds("shadow", doctor.Warning, "search_path_tail", "items (in 2 schemas)")
	w.super("CREATE SCHEMA common", "CREATE VIEW common.items AS SELECT 1")
	w.finds("shadow", doctor.Warning, "schema common: items")
}

func TestExtensionsThatRememberATenantAreFoundWithHandoff(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.setup.Handoff = true
	w.tenant("a")
	w.silent("extensions")
	w.super("CREATE EXTENSION dblink")
	w.finds("extensions", doctor.Info, "has dblink")
	w.setup.Handoff = false
	w.silent("extensions")
}

func TestWhatNobodyKnowsIsFound(t *testing.T) {
	t.Parallel()
	w := aloneWard(t)
	owner := w.role("_owner", "NOLOGIN")
	w.super(
		"COMMENT ON ROLE "+owner+" IS 'poolkeeper: owner of tenant gone in database "+w.database+"'",
		"CREATE SCHEMA gone AUTHORIZATION "+owner, "CREATE DATABASE gone OWNER "+owner,
	)
	t.Cleanup(func() { w.super("DROP DATABASE gone") })
	w.finds("orphan", doctor.Warning, "1 role was", owner+" (of tenant gone)")
	w.finds("orphan", doctor.Warning, "1 schema was", "gone (of tenant gone)")
	w.finds("orphan", doctor.Warning, "1 database was", "gone (of tenant gone)")

	w.setup.Spares = func(context.Context) ([]control.Spare, error) {
		return []control.Spare{{ID: registry.MustParseID("gone")}}, nil
	}
	w.silent("orphan")
	w.setup.Spares = nil
	w.super("COMMENT ON ROLE " + owner + " IS 'poolkeeper: owner of schema shared in database app'")
	w.silent("orphan")
}

func TestTenantsForWhomNothingIsThereAreFound(t *testing.T) {
	t.Parallel()
	w := aloneWard(t)
	a := w.tenant("a")
	w.silent("orphan")
	w.super("DROP SCHEMA " + a.Schema)
	w.finds("orphan", doctor.Error, "tenant "+a.ID.String(), "its schema "+a.Schema+" is not")
	a.Database = "nowhere"
	w.finds("orphan", doctor.Error, "its database nowhere is not")
	a.Login = "nobody"
	w.finds("orphan", doctor.Error, "its role nobody is not")
	for _, change := range []func(*control.Record){
		func(r *control.Record) { r.State = registry.StatusPending },
		func(r *control.Record) { r.Deleting = true },
		func(r *control.Record) { r.DSN = registry.NewSecret("host=own.internal") },
	} {
		was := *a
		change(a)
		w.silent("orphan")
		*a = was
	}
}

// latest is the newest migration, for every tenant.
type latest int64

func (l latest) Latest(*registry.Tenant) int64 { return int64(l) }

func TestTenantsThatAreBehindOrFailedAreFound(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	a, b, c := w.tenant("a"), w.tenant("b"), w.tenant("c")
	w.setup.Migrations = latest(5)
	a.Migrated, b.Migrated, c.Migrated = 5, 5, 5
	w.silent("migrations")
	b.Migrated, c.Migrated = 4, -1
	w.finds("migrations", doctor.Warning, "1 tenant is behind version 5: "+b.ID.String())
	w.finds("migrations", doctor.Info, "1 tenant is of an unknown version: "+c.ID.String())
	a.MigrationError, a.Migrated = "no such table", 4
	w.finds("migrations", doctor.Error, "tenant "+a.ID.String(), "at version 4 of 5: no such table")
	for _, r := range []*control.Record{a, b, c} {
		r.Status = registry.StatusRetired
	}
	w.silent("migrations")
}

func TestEveryPageOfRecordsIsRead(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.setup.Migrations = latest(5)
	for i := range 2500 {
		w.tenants = append(w.tenants, &control.Record{Tenant: registry.Tenant{
			ID: registry.MustParseID(fmt.Sprintf("t%d", i)), Status: registry.StatusActive, Cluster: "another",
		}})
	}
	w.finds("migrations", doctor.Warning, "2500 tenants are behind version 5: ", "and 2495 more")
}

func TestWithoutRecordsTheServersAreChecked(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.setup.Records = nil
	report := w.run()
	if len(report.Findings) != 0 || slices.Contains(report.Checked, "orphan") || slices.Contains(report.Checked, "migrations") || !slices.Contains(report.Checked, "pooler") {
		t.Errorf("checked %v, found\n%s", report.Checked, list(report))
	}
}

type broken struct{}

var errBroken = errors.New("broken")

func (broken) Records(context.Context, control.Filter) ([]*control.Record, error) {
	return nil, errBroken
}

func TestRecordsThatCannotBeListedAreAnError(t *testing.T) {
	t.Parallel()
	if _, err := doctor.Run(t.Context(), doctor.Setup{Records: broken{}}); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := doctor.Run(ctx, doctor.Setup{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
