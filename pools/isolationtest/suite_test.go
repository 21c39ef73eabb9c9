package isolationtest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/isolationtest"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestTenantsThatAreIsolatedPass(t *testing.T) {
	t.Parallel()
	for name, found := range map[string]func(*site, pgtest.TB){
		"schemas with logins of their own": func(s *site, t pgtest.TB) { s.schemas(t, true) },
		"schemas with a shared login":      func(s *site, t pgtest.TB) { s.schemas(t, false) },
		"databases":                        (*site).databases,
		"rows":                             func(s *site, t pgtest.TB) { s.rows(t, true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			found(s, t)
			isolationtest.Run(t, s.setup(t))
		})
	}
}

func TestNothingIsLeftInTheTenantsTables(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.schemas(t, true)
	setup := s.setup(t)
	if err := isolationtest.Check(t.Context(), setup); err != nil {
		t.Error(err)
	}
	for _, tenant := range []registry.ID{setup.A, setup.B} {
		l, err := setup.Keeper.Lease(t.Context(), tenant)
		if err != nil {
			t.Fatal(err)
		}
		var left int
		if err := l.QueryRow(t.Context(), "SELECT count(*) FROM notes").Scan(&left); err != nil || left != 0 {
			t.Errorf("tenant %s has %d rows: %v", tenant, left, err)
		}
		l.Release()
	}
}

func TestTenantsThatShareTheirDataFailAndAreToldWhatLeaks(t *testing.T) {
	t.Parallel()
	for name, found := range map[string]func(*site, pgtest.TB){
		"both are pinned to one schema": func(s *site, t pgtest.TB) {
			s.schemas(t, false)
			s.records[id("b")].Schema = "a"
		},
		"the shared table has no policy": func(s *site, t pgtest.TB) { s.rows(t, false) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			found(s, t)
			err := isolationtest.Check(t.Context(), s.setup(t))
			if err == nil {
				t.Fatal("nothing was noticed")
			}
			for _, want := range []string{
				"the same names hold each tenant's own rows: tenant b has 1 rows with the marker",
				"it sees what tenant a wrote, both work on the same rows",
				"aggregates take in the tenant's own rows alone: tenant a has 8 rows",
				"many at once see their own rows alone: with many at once: tenant b has 1 rows",
			} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not said in\n%v", want, err)
				}
			}
		})
	}
}

func TestASchemaOfTheOtherTenantInTheSearchPathFails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.schemas(t, false)
	cfg := pools.Defaults()
	cfg.SearchPathTail = []string{"b"}
	err := isolationtest.Check(t.Context(), s.setupWith(t, cfg))
	if want := `neither looks names up in the other's schema: tenant a looks names up in "b", which is the schema of tenant b`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error is %v", err)
	}
}

// leaky is a keeper whose evictions do more than they should.
type leaky struct {
	isolationtest.Keeper
	evict func()
}

func (l leaky) Evict(id registry.ID) bool {
	l.evict()
	return l.Keeper.Evict(id)
}

func TestAnEvictionThatCutsAQueryOffFails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.schemas(t, true)
	setup := s.setup(t)
	setup.Keeper = leaky{setup.Keeper, func() {
		s.admin(t, "", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+s.database+"_a'")
	}}
	err := isolationtest.Check(t.Context(), setup)
	if err == nil || !strings.Contains(err.Error(), "an eviction during a query mixes nothing up: ") {
		t.Errorf("error is %v", err)
	}
}

func TestStatementsOfTheUsersOwnAreUsed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.schemas(t, true)
	setup := s.setup(t)
	s.admin(t, "", "ALTER TABLE a.notes ADD kind text NOT NULL", "ALTER TABLE b.notes ADD kind text NOT NULL")
	if err := isolationtest.Check(t.Context(), setup); err == nil || !strings.Contains(err.Error(), "writing a row") {
		t.Errorf("error is %v", err)
	}
	setup.Insert = func(ctx context.Context, db isolationtest.DB, marker string) error {
		_, err := db.Exec(ctx, "INSERT INTO notes (kind, body) VALUES ('test', $1)", marker)
		return err
	}
	setup.Count = func(ctx context.Context, db isolationtest.DB, marker string) (n int, err error) {
		err = db.QueryRow(ctx, "SELECT count(*) FROM notes WHERE body = $1 AND kind = 'test'", marker).Scan(&n)
		return n, err
	}
	setup.Delete = func(ctx context.Context, db isolationtest.DB, marker string) error {
		_, err := db.Exec(ctx, "DELETE FROM notes WHERE body = $1", marker)
		return err
	}
	setup.Table, setup.Column = "", ""
	isolationtest.Run(t, setup)
}

func TestASetupThatLacksSomethingIsToldWhat(t *testing.T) {
	t.Parallel()
	full := isolationtest.Setup{Keeper: leaky{}, A: id("a"), B: id("b"), Table: "notes", Column: "body"}
	for want, edit := range map[string]func(*isolationtest.Setup){
		"Setup.Keeper": func(s *isolationtest.Setup) { s.Keeper = nil },
		"Setup.A":      func(s *isolationtest.Setup) { s.B = s.A },
		"Setup.Table":  func(s *isolationtest.Setup) { s.Column = "" },
		"Setup.Insert,": func(s *isolationtest.Setup) {
			s.Delete = func(context.Context, isolationtest.DB, string) error { return nil }
		},
	} {
		s := full
		edit(&s)
		if err := isolationtest.Check(t.Context(), s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
}

func TestATenantThatIsNotServedFails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.schemas(t, true)
	setup := s.setup(t)
	setup.B = id("nobody")
	if err := isolationtest.Check(t.Context(), setup); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("error is %v", err)
	}
}
