package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.Main(m, pgtest.Options{Settings: settings()})
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func TestTheNaiveWaysMixTenantsOrRunOutAndPoolkeeperDoesNot(t *testing.T) {
	o := defaults()
	o.rounds = 30
	results, err := compare(t.Context(), o, pgtest.Shared())
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := printTable(&table, results); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
	for _, r := range results {
		if sent := int64(2 * o.rounds * o.workers); r.requests != sent || r.right+r.wrong+r.refused != sent {
			t.Errorf("%s: of %d requests %d were counted: %+v", r.name, sent, r.requests, r)
		}
	}
	set, reset, pools, keeper := results[0], results[1], results[2], results[3]
	// Eight tenants wait on four connections, which have four paths: in each
	// round at least four get a wrong row.
	if least := int64(o.rounds * o.workers / 2); set.wrong < least {
		t.Errorf("%s: %d wrong rows, at least %d are certain", set.name, set.wrong, least)
	}
	// In each round a client leaves before the RESET, and all connections meet
	// a visitor next.
	if least := int64(o.rounds); reset.wrong < least {
		t.Errorf("%s: %d wrong rows, at least %d are certain", reset.name, reset.wrong, least)
	}
	// A busy tenant meets its own connection, and the path that it left there.
	if pools.wrong == 0 {
		t.Errorf("%s: no wrong row, although handlers leave a SET behind", pools.name)
	}
	var refusal *pgconn.PgError
	if pools.refused == 0 || !errors.As(pools.refusal, &refusal) || refusal.Code != "53300" {
		t.Errorf("%s: %d refused with %v, want SQLSTATE 53300", pools.name, pools.refused, pools.refusal)
	}
	if keeper.wrong != 0 || keeper.refused != 0 {
		t.Errorf("%s: %d wrong rows (%s), %d refused (%v)", keeper.name, keeper.wrong, keeper.example, keeper.refused, keeper.refusal)
	}
}
