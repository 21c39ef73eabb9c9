package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/poolkeeper/poolkeeper/examples/sqlc/db"
	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestMain(m *testing.M) {
	code := pgtest.Main(m, pgtest.Options{})
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func TestTheProgramKeepsTheBooksOfEachTenantApart(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := demonstrate(t.Context(), testPlace(t), &out); err != nil {
		t.Fatal(err)
	}
	want := "acme: cash has 75\nacme: sales has 25\nglobex: cash has 150\nglobex: sales has 50\n"
	if out.String() != want {
		t.Errorf("it printed\n%swant\n%s", out.String(), want)
	}
}

func TestGeneratedCodeRunsOnALease(t *testing.T) {
	t.Parallel()
	keeper := testKeeper(t)
	initech, umbrella := lease(t, keeper, "initech"), lease(t, keeper, "umbrella")

	t.Run("a COPY, a batch and queries reach the tenant's own tables", func(t *testing.T) {
		if err := openAccounts(t.Context(), initech, map[string]int64{"cash": 100, "sales": 0}); err != nil {
			t.Fatal(err)
		}
		if err := rename(t.Context(), initech, map[string]string{"sales": "turnover"}); err != nil {
			t.Fatal(err)
		}
		expectBalances(t, initech, map[string]int64{"cash": 100, "turnover": 0})
		expectBalances(t, umbrella, map[string]int64{})
	})

	t.Run("a transfer changes both accounts", func(t *testing.T) {
		if err := transfer(t.Context(), initech, "cash", "turnover", 30); err != nil {
			t.Fatal(err)
		}
		expectBalances(t, initech, map[string]int64{"cash": 70, "turnover": 30})
	})

	t.Run("a transfer that fails changes neither", func(t *testing.T) {
		err := transfer(t.Context(), initech, "cash", "turnover", 71)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "23514" {
			t.Fatalf("the error is %v, want a violated check", err)
		}
		expectBalances(t, initech, map[string]int64{"cash": 70, "turnover": 30})
	})

	t.Run("an account of another tenant is not there", func(t *testing.T) {
		if _, err := db.New(umbrella).Account(t.Context(), "cash"); !errors.Is(err, pgx.ErrNoRows) {
			t.Errorf("the error is %v, want no rows", err)
		}
	})
}

// testPlace is a database for one test.
func testPlace(t *testing.T) place {
	t.Helper()
	server := pgtest.Shared()
	return place{server, server.Database(t), "migrations"}
}

// testKeeper lends the pools of initech and umbrella.
func testKeeper(t *testing.T) *pools.Keeper {
	t.Helper()
	keeper, err := openTenants(t.Context(), testPlace(t), "initech", "umbrella")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := closeKeeper(t.Context(), keeper); err != nil {
			t.Error(err)
		}
	})
	return keeper
}

func lease(t *testing.T, keeper *pools.Keeper, name string) *pools.Lease {
	t.Helper()
	l, err := keeper.Lease(t.Context(), registry.MustParseID(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Release)
	return l
}

func expectBalances(t *testing.T, l *pools.Lease, want map[string]int64) {
	t.Helper()
	accounts, err := db.New(l).Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(accounts) != len(want) {
		t.Errorf("there are %d accounts, want %d", len(accounts), len(want))
	}
	for _, a := range accounts {
		if balance, ok := want[a.Name]; !ok || balance != a.Balance {
			t.Errorf("%s has %d, want %d", a.Name, a.Balance, balance)
		}
	}
}
