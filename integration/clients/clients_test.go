//go:build clients

// Package clients_test runs suites of ours for published npm clients against a server of its own. It needs node and npm, which is why it
// stands behind a build tag; where the tag is given and they are missing, it fails.
package clients_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, pgtest.Options{})) }

func TestPublishedClientsWorkUnchanged(t *testing.T) {
	install(t)
	cmd := exec.CommandContext(t.Context(), program(t, "node"), "--test", "--test-reporter=tap")
	cmd.Env = append(os.Environ(), "POOLKEEPER_URL="+serve(t))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// node is content with suites that it does not find.
	if passed := passedTests(out); passed < 70 {
		t.Fatalf("only %d tests passed\n%s", passed, out)
	} else {
		t.Logf("%d tests passed", passed)
	}
}

// passedTests reads the number from the end of node's report.
func passedTests(report []byte) int {
	match := regexp.MustCompile(`(?m)^# pass (\d+)$`).FindSubmatch(report)
	if match == nil {
		return 0
	}
	n, err := strconv.Atoi(string(match[1]))
	if err != nil {
		return 0
	}
	return n
}

func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("the suites of npm clients need %s: %v", name, err)
	}
	return path
}

// install fetches the clients that package-lock.json names, unless they are there.
func install(t *testing.T) {
	t.Helper()
	npm := program(t, "npm")
	if _, err := os.Stat("node_modules"); err == nil {
		return
	}
	out, err := exec.CommandContext(t.Context(), npm, "ci", "--no-audit", "--no-fund").CombinedOutput()
	if err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
}

// serve starts a server in dev mode with the tenants acme and globex, and returns its address.
func serve(t *testing.T) string {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	clusters, tenants := provision(t, log)
	source, err := registry.NewStatic(clusters, tenants...)
	check(t, err)
	records, err := registry.New(registry.Defaults(), source, nil)
	check(t, err)
	poolsConfig := pools.Defaults()
	poolsConfig.Clusters, poolsConfig.Log = clusters, log
	poolsConfig.Queue, poolsConfig.QueueTimeout = 1000, time.Minute // a suite starts hundreds of queries at once
	keeper, err := pools.New(poolsConfig, records, nil)
	check(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
		defer cancel()
		check(t, keeper.Close(ctx))
	})
	routerConfig := router.Defaults()
	routerConfig.Resolvers, routerConfig.Dev = []string{"path", "neon", "header"}, true
	way, err := router.New(routerConfig, records, keeper, nil)
	check(t, err)
	s, err := server.New(server.Defaults(), server.Deps{Router: way, Keeper: keeper, Registry: records, Log: log})
	check(t, err)
	gateway := httptest.NewServer(s.Handler())
	t.Cleanup(gateway.Close)
	return gateway.URL
}

// provision makes both tenants real: acme is a schema, globex a database.
func provision(t *testing.T, log *slog.Logger) (map[string]registry.Cluster, []*registry.Tenant) {
	t.Helper()
	srv := pgtest.Shared()
	database := srv.Database(t)
	decoys(t, srv.AdminDSN(database))
	clusters := map[string]registry.Cluster{"main": {
		DSN: registry.NewSecret(srv.DSN(database, "app", "pw")), Admin: registry.NewSecret(srv.AdminDSN(database)),
	}}
	tenant := registry.Tenant{Status: registry.StatusActive, Cluster: "main", Password: registry.NewSecret("pw"), Version: 1}
	acme, globex := tenant, tenant
	acme.ID, acme.Isolation, acme.Schema, acme.Login = registry.MustParseID("acme"), registry.IsolationSchema, "acme", "acme"
	globex.ID, globex.Isolation, globex.Database, globex.Login = registry.MustParseID("globex"), registry.IsolationDatabase, "globex", "globex"
	cfg := onboard.Defaults()
	migrations, err := filepath.Abs("migrations")
	check(t, err)
	cfg.Migrations = migrations
	p, err := onboard.New(cfg, clusters, log)
	check(t, err)
	tenants := []*registry.Tenant{&acme, &globex}
	for _, tenant := range tenants {
		check(t, p.Provision(t.Context(), tenant))
	}
	return clusters, tenants
}

// decoys makes a table in public that a wrong search path would find.
func decoys(t *testing.T, dsn string) {
	t.Helper()
	admin, err := pgx.Connect(t.Context(), dsn)
	check(t, err)
	defer admin.Close(t.Context())
	_, err = admin.Exec(t.Context(), `CREATE TABLE public.items (id bigint, name text, price numeric, tenant text DEFAULT 'public');
		INSERT INTO public.items (name) VALUES ('anvil'); GRANT SELECT ON public.items TO PUBLIC`)
	check(t, err)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
