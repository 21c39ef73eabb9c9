package server_test

import (
	"bufio"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server"
)

// whole is a running server with everything real under it: router, registry,
// keeper and PostgreSQL. Its tenants red and blue have schemas and logins of
// their own in one database, whose public schema has a table of the same name.
type whole struct {
	url, admin string
	database   string
	keeper     *pools.Keeper
	stop       func() error
}

const rolePassword = "pw"

// superuser runs statements as the administrator of the database.
func superuser(t testing.TB, database string, statements ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, pgtest.Shared().AdminDSN(database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func newWhole(t *testing.T, change func(*server.Config, *pools.Config)) *whole {
	t.Helper()
	w := &whole{database: pgtest.Shared().Database(t)}
	superuser(t, w.database, "CREATE TABLE public.items (tenant text); INSERT INTO public.items VALUES ('PUBLIC'); GRANT SELECT ON public.items TO public")
	shared := w.login(t, "app")
	var tenants []*registry.Tenant
	for _, name := range []string{"red", "blue"} {
		tenants = append(tenants, w.tenant(t, name))
	}
	cfg, poolCfg := server.Defaults(), pools.Defaults()
	cfg.Listen, cfg.AdminListen = "127.0.0.1:0", "127.0.0.1:0"
	poolCfg.Clusters = map[string]registry.Cluster{"main": {DSN: registry.NewSecret(pgtest.Shared().DSN(w.database, shared, rolePassword))}}
	if change != nil {
		change(&cfg, &poolCfg)
	}
	w.start(t, cfg, poolCfg, tenants)
	return w
}

func (w *whole) login(t *testing.T, name string) string {
	t.Helper()
	role := w.database + "_" + name
	superuser(t, w.database, "CREATE ROLE "+role+" LOGIN PASSWORD '"+rolePassword+"'")
	t.Cleanup(func() { superuser(t, w.database, "DROP OWNED BY "+role+" CASCADE; DROP ROLE "+role) })
	return role
}

func (w *whole) tenant(t *testing.T, name string) *registry.Tenant {
	t.Helper()
	role := w.login(t, name)
	superuser(t, w.database, "CREATE SCHEMA "+name+" AUTHORIZATION "+role, "CREATE TABLE "+name+".items (tenant text)",
		"INSERT INTO "+name+".items VALUES ('"+name+"')", "GRANT ALL ON "+name+".items TO "+role)
	return &registry.Tenant{
		ID: registry.MustParseID(name), Name: name, Status: registry.StatusActive, Cluster: "main", Isolation: registry.IsolationSchema,
		Schema: name, Login: role, Password: registry.NewSecret(rolePassword), DDL: true, Version: 1,
	}
}

func (w *whole) start(t *testing.T, cfg server.Config, poolCfg pools.Config, tenants []*registry.Tenant) {
	t.Helper()
	source, err := registry.NewStatic(poolCfg.Clusters, tenants...)
	if err != nil {
		t.Fatal(err)
	}
	reg, err := registry.New(registry.Defaults(), source, nil)
	if err != nil {
		t.Fatal(err)
	}
	if w.keeper, err = pools.New(poolCfg, reg, nil); err != nil {
		t.Fatal(err)
	}
	routes := router.Defaults()
	routes.Resolvers, routes.Dev = []string{"path", "neon", "header"}, true
	rt, err := router.New(routes, router.Deps{Tenants: reg, Pools: w.keeper})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := server.New(cfg, server.Deps{Router: rt, Keeper: w.keeper, Registry: reg, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	w.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = w.stop() })
	<-srv.Ready()
	w.url, w.admin = "http://"+srv.Addr(), "http://"+srv.AdminAddr()
}

// post sends a query for a tenant.
func (w *whole) post(t *testing.T, tenant, body string, headers ...string) reply {
	t.Helper()
	r, err := w.try(t.Context(), newClient(t), tenant, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *whole) try(ctx context.Context, client *http.Client, tenant, body string, headers ...string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/t/"+tenant+"/sql", strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	var text strings.Builder
	_, err = bufio.NewReader(res.Body).WriteTo(&text)
	return reply{res.StatusCode, res.Header, text.String()}, err
}

// running counts the database's running statements that contain a word.
func (w *whole) running(t *testing.T, word string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, pgtest.Shared().AdminDSN(w.database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var n int
	err = conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%' || $1 || '%'`, word).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
