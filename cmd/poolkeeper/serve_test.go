package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

// serveConfig is a configuration on the tests' server with one tenant, whose
// names carry the test's own.
func serveConfig(t *testing.T, more string) string {
	t.Helper()
	srv := pgtest.Shared()
	database := srv.Database(t)
	migrations, err := filepath.Abs("demo/tenant")
	if err != nil {
		t.Fatal(err)
	}
	return write(t, filepath.Join(t.TempDir(), "poolkeeper.yaml"), fmt.Sprintf(`
server: {listen: "127.0.0.1:0", admin_listen: "127.0.0.1:0", drain_timeout: 10s}
router: {resolvers: [path], open: [path]}
onboard: {at_start: true, migrations: %q}
clusters:
  main:
    dsn: %q
    admin: %q
tenants:
  %[4]s: {cluster: main, isolation: schema, schema: %[4]s, login: %[4]s_login, password: swordfish}
%[5]s`, migrations, srv.DSN(database, database+"_app", "swordfish"), srv.AdminDSN(database), tenantOf(database), more))
}

// tenantOf makes an id of a database's name, so that roles, which belong to
// the whole server, do not meet.
func tenantOf(database string) string {
	return "s" + strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(database))
}

// idIn is the id of serveConfig's tenant.
func idIn(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\ntenants:\n  ")
	id, _, _ := strings.Cut(rest, ":")
	return id
}

func TestServeOnboardsAndServesTheTenantsOfItsFile(t *testing.T) {
	t.Parallel()
	path := serveConfig(t, "")
	id := idIn(t, path)
	p := start(t, "serve", "--config", path)
	status, body := p.sql(t, id, "select tenant from items")
	onlyRowsOf(t, id, status, body)

	status, body = send(t, request{method: http.MethodGet, url: "http://" + p.Admin + "/metrics"})
	for _, want := range []string{
		`poolkeeper_leases_total{outcome="opened"} 1`, `poolkeeper_tenants{status="active"} 1`,
		`poolkeeper_pools{cluster="main",state="ready"} 1`, `poolkeeper_build_info{`, `poolkeeper_onboard_total{outcome="ok"} 1`,
	} {
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%d: %q is missing in the metrics", status, want)
		}
	}
	if status, body = send(t, request{method: http.MethodGet, url: "http://" + p.Admin + "/v1/pools"}); status != http.StatusOK || !strings.Contains(body, id) {
		t.Errorf("pools: %d %s", status, body)
	}
	if text := p.stderr.String(); strings.Contains(text, "swordfish") || !strings.Contains(text, "serving") {
		t.Errorf("the log:\n%s", text)
	}
}

func TestServeFollowsItsFile(t *testing.T) {
	t.Parallel()
	path := serveConfig(t, "")
	id := idIn(t, path)
	p := start(t, "serve", "--config", path)
	status, body := p.sql(t, id, "select tenant from items")
	onlyRowsOf(t, id, status, body)

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.Replace(string(text), "{cluster: main,", "{status: suspended, cluster: main,", 1))
	p.eventually(t, "the suspended tenant is refused", func() bool {
		status, _ := p.sql(t, id, "select 1")
		return status == http.StatusNotFound
	})
	p.eventually(t, "its pool is gone", func() bool {
		_, body := send(t, request{method: http.MethodGet, url: "http://" + p.Admin + "/v1/pools"})
		return !strings.Contains(body, id)
	})
	write(t, path, string(text))
	p.eventually(t, "the resumed tenant is served", func() bool {
		status, _ := p.sql(t, id, "select 1")
		return status == http.StatusOK
	})
}

func TestServeFollowsTheBudgetsOfItsClusters(t *testing.T) {
	t.Parallel()
	path := serveConfig(t, "")
	p := start(t, "serve", "--config", path)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tuned := strings.Replace(string(text), "  main:\n", "  main:\n    budget: 17\n    spares: %d\n", 1)
	write(t, path, fmt.Sprintf(tuned, 17)) // as many as the budget: refused as a whole
	p.eventually(t, "the mistake is in the log", func() bool {
		return strings.Contains(p.stderr.String(), "clusters.main.spares: is 17, but the budget is 17")
	})
	write(t, path, fmt.Sprintf(tuned, 1))
	p.eventually(t, "the change is in the log", func() bool {
		return strings.Contains(p.stderr.String(), "cluster=main budget=17 derived=false spares=1")
	})
	if strings.Contains(p.stderr.String(), "at the next start") {
		t.Errorf("a budget waits for the next start:\n%s", p.stderr.String())
	}
}

func TestServeGoesOnWhenOneTenantCannotBeOnboarded(t *testing.T) {
	t.Parallel()
	path := serveConfig(t, "  broken: {cluster: main, isolation: schema, schema: broken, login: postgres, password: swordfish}\n")
	id := idIn(t, path)
	p := start(t, "serve", "--config", path)
	status, body := p.sql(t, id, "select tenant from items")
	onlyRowsOf(t, id, status, body)
	if !strings.Contains(p.stderr.String(), "tenant=broken") {
		t.Errorf("the log does not name the tenant:\n%s", p.stderr.String())
	}
}

func TestServeRefusesToServeNobody(t *testing.T) {
	t.Parallel()
	path := serveConfig(t, "  gone: {status: retired, cluster: main, isolation: schema, schema: gone, login: gone, password: swordfish}\n")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	id := idIn(t, path)
	write(t, path, strings.Replace(string(text), "login: "+id+"_login", "login: postgres", 1))
	ctx, cancel := context.WithCancel(t.Context())
	var stderr output
	app := &App{Stdout: &stderr, Stderr: &stderr, Serving: func(Addresses) { cancel() }}
	defer cancel()
	code := app.Run(ctx, []string{"serve", "--config", path})
	if code != exitFailed || !strings.HasSuffix(stderr.String(), "poolkeeper: none of the 1 tenant could be onboarded; the log says why for each\n") {
		t.Errorf("%d %q", code, stderr.String())
	}
}

func TestServeWritesItsLogAsJSONWhenAsked(t *testing.T) {
	t.Parallel()
	p := start(t, "serve", "--config", serveConfig(t, "log: {format: json}\n"))
	p.stop(t)
	for line := range strings.Lines(p.stderr.String()) {
		if !strings.HasPrefix(line, `{"time":`) {
			t.Errorf("no JSON: %s", line)
		}
	}
}

// A request that runs when the stop begins is answered.
func TestServeLetsRunningRequestsFinish(t *testing.T) {
	t.Parallel()
	path := serveConfig(t, "")
	id := idIn(t, path)
	p := start(t, "serve", "--config", path)
	type answer struct {
		status int
		body   string
	}
	answered := make(chan answer, 1)
	go func() {
		status, body := p.sql(t, id, "select pg_sleep(3), tenant from items limit 1")
		answered <- answer{status, body}
	}()
	p.eventually(t, "the request runs", func() bool {
		_, body := send(t, request{method: http.MethodGet, url: "http://" + p.Admin + "/v1/pools/" + id})
		return strings.Contains(body, `"acquired":1`)
	})
	p.stop(t)
	got := <-answered
	onlyRowsOf(t, id, got.status, got.body)
}
