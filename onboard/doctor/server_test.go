package doctor_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/onboard/doctor"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestAServerThatDoesNotAnswerIsFound(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.silent("unreachable")
	w.cluster.Admin = registry.NewSecret(w.srv.DSN(w.database, w.prefix+"_nobody", "hush"))
	w.finds("unreachable", doctor.Error, "clusters.main.admin does not lead to a session")
	w.cluster.Admin = registry.Secret{}
	w.finds("unreachable", doctor.Info, "has no admin")
	w.cluster.DSN = registry.NewSecret("postgres://app:hush@127.0.0.1:1/app?sslmode=disable")
	w.finds("unreachable", doctor.Error, "clusters.main.dsn does not lead to a session")
	w.cluster.DSN = registry.NewSecret("hush")
	w.finds("unreachable", doctor.Error, "clusters.main.dsn is no connection string")
	if report := w.run(); strings.Contains(list(report), "hush") {
		t.Errorf("a secret is shown:\n%s", list(report))
	}
}

func TestALoginThatOnboardingHasLockedOutIsLetIn(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.super("REVOKE CONNECT ON DATABASE " + w.database + " FROM PUBLIC") // as onboarding does
	w.finds("unreachable", doctor.Error, "clusters.main.dsn does not lead to a session", fmt.Sprintf("GRANT CONNECT ON DATABASE %q TO %q", w.database, w.prefix+"_app"))
	w.super("GRANT CONNECT ON DATABASE " + w.database + " TO " + w.prefix + "_app")
	w.silent("unreachable")
}

func TestAServerOfASupportedVersionIsNotTalkedOf(t *testing.T) {
	t.Parallel()
	newWard(t).silent("version")
}

func TestABudgetThatDoesNotFitIsFound(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.silent("budget")
	w.cluster.Budget = 150 // twice, of 200
	w.finds("budget", doctor.Error, "budget 150 times 2 replicas and a margin of 3 are 303 connections", "lower clusters.main.budget to 97")
	w.cluster.Budget, w.cluster.Margin = 0, 500
	w.finds("budget", doctor.Error, "leaves no connection")
	w.cluster.Margin = 0
	w.silent("budget")
	w.cluster.Budget, w.setup.MaxConns = 10, 11
	w.finds("budget", doctor.Warning, "a tenant may have 11 connections")
}

func TestGuaranteesThatDoNotFitTheBudgetAreFound(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.setup.GuaranteedConns = 4
	w.tenant("a").Limits.GuaranteedConns = 6
	w.tenant("b")
	w.silent("budget")
	c := w.tenant("c")
	w.finds("budget", doctor.Error, "guaranteed 14 connections together", "the budget is 10")
	c.Status = registry.StatusSuspended
	w.silent("budget")
}

func TestADSNThatFallsBackToClearTextIsFound(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.silent("tls")
	dsn := w.cluster.DSN.Reveal()
	for _, mode := range []string{"sslmode=prefer", ""} {
		w.cluster.DSN = registry.NewSecret(strings.Replace(dsn, "sslmode=disable", mode, 1))
		if w.cluster.DSN.Reveal() == dsn {
			t.Fatalf("%s has no sslmode", fmt.Sprint(w.cluster.DSN))
		}
		w.finds("tls", doctor.Warning, "two dials")
	}
}

func TestADSNThatMayFallBackToClearTextIsMentioned(t *testing.T) {
	t.Parallel()
	srv, err := pgtest.Start(t.Context(), pgtest.Options{
		Data: filepath.Join(t.TempDir(), "pg"), Settings: pgtest.Settings{"fsync": "off", "ssl": "on"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Stop(context.WithoutCancel(t.Context())) })
	w := onServer(t, srv, "postgres")
	w.cluster.DSN = registry.NewSecret(strings.Replace(w.cluster.DSN.Reveal(), "sslmode=disable", "sslmode=prefer", 1))
	w.finds("tls", doctor.Info, "takes an unencrypted connection when an encrypted one fails")
}

func TestASpareDSNThatIsNotFitIsFound(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.silent("spare_dsn")
	spare := w.role("_spare", "LOGIN PASSWORD 'spare'")
	w.cluster.SpareDSN = registry.NewSecret(w.srv.DSN(w.database, spare, "spare"))
	w.cluster.Spares = 2
	w.finds("spare_dsn", doctor.Error, "no extension set_user")
	w.super("ALTER ROLE " + spare + " CREATEDB")
	w.finds("spare_dsn", doctor.Error, "has powers of its own")
	w.cluster.Spares = 0
	w.finds("spare_dsn", doctor.Info, "no spares are kept")
}
