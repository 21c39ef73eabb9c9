//go:build clients

// Package clients_test runs suites of ours for published npm clients against a server of its own. It needs node and npm, which is why it
// stands behind a build tag; where the tag is given and they are missing, it fails.
package clients_test

import (
	"context"
	"crypto/rand"
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
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, pgtest.Options{})) }

func TestPublishedClientsWorkUnchanged(t *testing.T) {
	install(t)
	gateway := serve(t)
	all := []string{"query.test.js", "transaction.test.js", "errors.test.js"}
	for _, run := range []struct {
		client string // as package.json names it
		suites []string
		least  int // node is content with suites that it does not find
	}{
		{"@neondatabase/serverless", append(all, "drizzle.test.js", "kysely.test.js", "prisma.test.js"), 98},
		{"neon-serverless-1.1", append(all, "kysely.test.js"), 60},
		{"neon-serverless-0.10", []string{"previous/older.test.js"}, 8},
	} {
		t.Run(run.client, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), program(t, "node"), append([]string{"--test", "--test-reporter=tap"}, run.suites...)...)
			cmd.Env = append(os.Environ(), "POOLKEEPER_URL="+gateway.address, "POOLKEEPER_CLIENT="+run.client,
				"ACME="+gateway.connection("acme"), "GLOBEX="+gateway.connection("globex"))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if passed := passedTests(out); passed < run.least {
				t.Fatalf("only %d tests passed\n%s", passed, out)
			}
		})
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

// install fetches the clients that package-lock.json names, and makes Prisma's from its models, unless they are there.
func install(t *testing.T) {
	t.Helper()
	npm := program(t, "npm")
	if _, err := os.Stat("node_modules/prisma"); err != nil {
		run(t, npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	}
	if _, err := os.Stat("generated/index.js"); err != nil {
		// Its program asks for an engine that generating does not use.
		t.Setenv("PRISMA_SCHEMA_ENGINE_BINARY", program(t, "true"))
		t.Setenv("CHECKPOINT_DISABLE", "1")
		run(t, filepath.Join("node_modules", ".bin", "prisma"), "generate")
	}
}

func run(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
}

// gateway is a server with the tenants acme and globex.
type gateway struct {
	address string
	keys    keyring
}

// connection is what a program of the tenant's has for its credential.
func (g gateway) connection(tenant string) string {
	for text, key := range g.keys {
		if key.Tenant.String() == tenant {
			return "postgresql://app:" + text + "@" + tenant + ".db.example.com/app"
		}
	}
	return ""
}

// keyring has the text of each key.
type keyring map[string]apikey.Key

func (k keyring) Key(_ context.Context, text string) (apikey.Key, error) {
	key, ok := k[text]
	if !ok {
		return apikey.Key{}, apikey.ErrUnknown
	}
	return key, nil
}

func keysOf(tenants []*registry.Tenant) keyring {
	keys := keyring{}
	for _, tenant := range tenants {
		keys["pk_"+rand.Text()] = apikey.Key{ID: "of-" + tenant.ID.String(), Tenant: tenant.ID, Scope: apikey.ScopeWrite}
	}
	return keys
}

// serve starts a server that wants a key of everybody.
func serve(t *testing.T) gateway {
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
	routerConfig.Resolvers = []string{"key", "path", "neon", "header"}
	keys := keysOf(tenants)
	way, err := router.New(routerConfig, router.Deps{Tenants: records, Pools: keeper, Keys: keys})
	check(t, err)
	s, err := server.New(server.Defaults(), server.Deps{Router: way, Keeper: keeper, Registry: records, Log: log})
	check(t, err)
	listening := httptest.NewServer(s.Handler())
	t.Cleanup(listening.Close)
	return gateway{listening.URL, keys}
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
