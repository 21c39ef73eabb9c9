package onboard_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

func ExampleProvisioner_Provision() {
	ctx := context.Background()
	server := pgtest.Shared()
	clusters := map[string]registry.Cluster{"main": {
		DSN:   registry.NewSecret(server.DSN("postgres", "app", "app")),
		Admin: registry.NewSecret(server.AdminDSN("")),
	}}
	p, err := onboard.New(onboard.Defaults(), clusters, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	tenant := &registry.Tenant{
		ID: registry.MustParseID("example"), Cluster: "main", Isolation: registry.IsolationSchema,
		Schema: "example", Login: "example", Password: registry.NewSecret("a long one"),
	}
	if err := p.Provision(ctx, tenant); err != nil {
		fmt.Println(err)
		return
	}
	conn, err := pgx.Connect(ctx, server.DSN("postgres", "example", "a long one"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(ctx)
	var who, where string
	fmt.Println(conn.QueryRow(ctx, "select current_user, current_schema").Scan(&who, &where), who, where)
	_, err = conn.Exec(ctx, "create table public.mine (id int)")
	fmt.Println(err)
	// Output:
	// <nil> example example
	// ERROR: permission denied for schema public (SQLSTATE 42501)
}
