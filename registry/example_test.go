package registry_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/poolkeeper/poolkeeper/registry"
)

func clusters() map[string]registry.Cluster {
	return map[string]registry.Cluster{
		"main": {DSN: registry.NewSecret("postgres://app@db.internal/app")},
	}
}

func Example() {
	source, err := registry.NewStatic(clusters(), &registry.Tenant{
		ID: registry.MustParseID("acme"), Status: registry.StatusActive,
		Cluster: "main", Isolation: registry.IsolationSchema, Login: "acme",
	})
	if err != nil {
		panic(err)
	}
	reg, err := registry.New(registry.Defaults(), source, nil)
	if err != nil {
		panic(err)
	}
	for _, text := range []string{"acme", "nobody", "Not an ID"} {
		id, err := registry.ParseID(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		tenant, err := reg.Tenant(context.Background(), id)
		if errors.Is(err, registry.ErrUnknown) {
			fmt.Println(err)
			continue
		}
		fmt.Println(tenant.ID, "has the schema", tenant.Schema)
	}
	// Output:
	// acme has the schema acme
	// registry: unknown tenant: "nobody"
	// registry: invalid tenant id: byte 1 is not a lower-case letter, a digit or a hyphen
}

func ExampleParse() {
	_, err := registry.Parse("config.yaml", []byte(`
tenants:
  acme:
    cluster: main
    isolation: schema
    schema: public
  globex:
    cluster: main
    isolaton: database
`), clusters())
	fmt.Println(err)
	// Output:
	// config.yaml:6: tenants.acme.schema: is "public", which everybody can see; give the tenant another one
	// config.yaml:7: tenants.globex.isolation: is missing; it must be schema, database or row, here or in the plan
	// config.yaml:9: tenants.globex.isolaton: is no setting; did you mean isolation?
}

func ExampleSecret() {
	password := registry.NewSecret("correct horse")
	fmt.Printf("%v %+v %#v\n", password, password, password)
	fmt.Println(password.Reveal())
	// Output:
	// [secret] [secret] [secret]
	// correct horse
}

func ExampleLive() {
	live := registry.NewLive(map[string]registry.Cluster{"main": {DSN: registry.NewSecret("postgres://app@db.internal/app")}})
	record := func(id, schema string, version uint64) *registry.Tenant {
		return &registry.Tenant{
			ID: registry.MustParseID(id), Status: registry.StatusActive, Cluster: "main",
			Isolation: registry.IsolationSchema, Schema: schema, Login: id, Version: version,
		}
	}
	live.Load([]*registry.Tenant{record("acme", "acme", 1), record("globex", "globex", 2)})
	for _, refused := range live.Apply([]*registry.Tenant{record("hooli", "acme", 3)}, nil) {
		fmt.Println(refused.Err)
	}
	live.Apply(nil, []registry.ID{registry.MustParseID("acme")})
	tenant, err := live.Tenant(context.Background(), registry.MustParseID("hooli"))
	fmt.Println(tenant.Schema, err)
	// Output:
	// tenants.hooli.schema: leads to "acme" in database "app" of cluster main, as for tenant acme; only tenants of row isolation share one
	// acme <nil>
}
