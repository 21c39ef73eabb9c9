package pools_test

import (
	"context"
	"fmt"

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
