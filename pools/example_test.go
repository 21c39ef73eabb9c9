package pools_test

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

// A tenant's pool is leased for a unit of work. (The server here is the fake
// one of package poolstest; leave Dial out for a real one.)
func ExampleKeeper_Lease() {
	ctx := context.Background()
	server := poolstest.New(18)
	server.Script("SELECT who", func(s *poolstest.Session) error {
		fmt.Println("runs with search_path", s.Settings["search_path"])
		return nil
	})
	acme := &registry.Tenant{
		ID: registry.MustParseID("acme"), Status: registry.StatusActive, Cluster: "main",
		Isolation: registry.IsolationSchema, Schema: "acme_data", Login: "acme",
	}
	tenants := &records{all: map[registry.ID]*registry.Tenant{acme.ID: acme}}

	cfg := pools.Defaults()
	cfg.Clusters = map[string]registry.Cluster{
		"main": {DSN: registry.NewSecret("postgres://app@127.0.0.1/app?sslmode=disable")},
	}
	cfg.Dial = server.Dial
	keeper, err := pools.New(cfg, tenants, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keeper.Close(ctx)

	lease, err := keeper.Lease(ctx, acme.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lease.Release()
	if _, err := lease.Exec(ctx, "SELECT who"); err != nil {
		fmt.Println(err)
	}

	_, err = keeper.Lease(ctx, registry.MustParseID("nobody"))
	fmt.Println(err)
	// Output:
	// runs with search_path "acme_data"
	// registry: unknown tenant
}

// A transaction that others get in the way of is run again as a whole. (The
// error here is one that PostgreSQL would have given.)
func ExampleRetry_Do() {
	busy := &pgconn.PgError{Severity: "ERROR", Code: "40001", Message: "could not serialize access"}
	runs := 0
	err := pools.Retry{Attempts: 3, Wait: time.Millisecond}.Do(context.Background(), func() error {
		// return lease.InTx(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable}, transfer)
		if runs++; runs == 1 {
			return busy
		}
		return nil
	})
	fmt.Println("ran", runs, "times:", err)
	// Output: ran 2 times: <nil>
}

// What a token says of the caller is told to row policies for one transaction.
// What the session is pinned by cannot be set so.
func ExampleLease_InTxWith() {
	ctx := context.Background()
	lease, end := leased(ctx)
	defer end()

	claims := map[string]string{"app.user": "ann", "app.tenant_id": "globex"}
	err := lease.InTxWith(ctx, pgx.TxOptions{}, claims, func(tx pgx.Tx) error {
		// SELECT … under a policy with owner = current_setting('app.user', true)
		return nil
	})
	fmt.Println(err)
	// Output: pools: setting cannot be made: tenant acme: "app.tenant_id" names the tenant to row policies; use another one
}

// leased leases the tenant acme of a fake server.
func leased(ctx context.Context) (lease *pools.Lease, end func()) {
	acme := tenant("acme")
	cfg := pools.Defaults()
	cfg.Clusters = map[string]registry.Cluster{
		"main": {DSN: registry.NewSecret("postgres://app@127.0.0.1/app?sslmode=disable")},
	}
	cfg.Dial = poolstest.New(18).Dial
	keeper, err := pools.New(cfg, &records{all: map[registry.ID]*registry.Tenant{acme.ID: acme}}, nil)
	if err != nil {
		panic(err)
	}
	if lease, err = keeper.Lease(ctx, acme.ID); err != nil {
		panic(err)
	}
	return lease, func() {
		lease.Release()
		_ = keeper.Close(ctx) // nothing was opened
	}
}
