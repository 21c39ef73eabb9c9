package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
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

const sleeping = `{"query":"select pg_sleep(60)"}`

func TestTwoTenantsWithTheSameTableSeeTheirOwnRows(t *testing.T) {
	t.Parallel()
	w := newWhole(t, nil)
	client := newClient(t)
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			tenant := []string{"red", "blue"}[i%2]
			body := []string{
				`{"query":"select tenant from items"}`, `{"query":"set search_path = public"}`, `{"query":"reset all"}`, `{"query":"discard all"}`,
				`{"query":"begin"}`, `{"query":"select 1/0"}`, `{"queries":[{"query":"select tenant from items"},{"query":"nonsense"}]}`,
			}[i%7]
			if _, err := w.try(t.Context(), client, tenant, body); err != nil {
				t.Error(err)
			}
			r, err := w.try(t.Context(), client, tenant, `{"query":"select tenant from items","arrayMode":true}`)
			if err != nil || r.status != http.StatusOK || !strings.Contains(r.body, `"rows":[["`+tenant+`"]]`) {
				t.Errorf("%s got status %d, %s (%v)", tenant, r.status, r.body, err)
			}
		})
	}
	group.Wait()
	if r := w.post(t, "red", `{"query":"select tenant from blue.items"}`); r.status != http.StatusBadRequest || r.object(t)["code"] != "42501" {
		t.Errorf("another tenant's table: status %d: %s", r.status, r.body)
	}
}

func TestAClientThatLeavesLeavesNoStatementBehind(t *testing.T) {
	t.Parallel()
	w := newWhole(t, func(_ *server.Config, p *pools.Config) { p.MaxConns = 1 })
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	client := newClient(t)
	go func() {
		_, err := w.try(ctx, client, "red", sleeping)
		gone <- err
	}()
	waitFor(t, func() bool { return w.running(t, "pg_sleep") == 1 })
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Fatalf("the request ended with %v", err)
	}
	waitFor(t, func() bool { return w.running(t, "pg_sleep") == 0 })
	// The tenant's only connection is free again.
	if r := w.post(t, "red", `{"query":"select tenant from items"}`); r.status != http.StatusOK {
		t.Errorf("status %d: %s", r.status, r.body)
	}
}

func TestADeadlineEndsTheStatementEvenWhenSQLLiftedItsOwn(t *testing.T) {
	t.Parallel()
	w := newWhole(t, func(c *server.Config, _ *pools.Config) { c.SQL.Timeout = time.Second })
	for name, body := range map[string]string{
		"single": sleeping,
		"batch":  `{"queries":[{"query":"set local statement_timeout = 0"},{"query":"select pg_sleep(60)"}]}`,
	} {
		began := time.Now()
		r := w.post(t, "red", body)
		if took := time.Since(began); r.status != http.StatusGatewayTimeout || took > 20*time.Second {
			t.Errorf("%s: status %d after %v: %s", name, r.status, took, r.body)
		}
	}
	r := w.post(t, "red", sleeping, "X-Request-Timeout", "100ms", "Accept", "application/x-ndjson")
	if r.status != http.StatusGatewayTimeout {
		t.Errorf("a stream that has not begun: status %d: %s", r.status, r.body)
	}
	waitFor(t, func() bool { return w.running(t, "pg_sleep") == 0 })
	if r := w.post(t, "red", `{"query":"select tenant from items"}`); r.status != http.StatusOK {
		t.Errorf("afterwards: status %d: %s", r.status, r.body)
	}
}

func TestAMillionRowsAreStreamedInBoundedMemory(t *testing.T) { // not parallel: it looks at the memory of the process
	w := newWhole(t, nil)
	const rows = 1_000_000
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/t/red/sql",
		strings.NewReader(`{"query":"select i, repeat('x', 100) as filler from generate_series(1, 1000000) i","arrayMode":true}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/x-ndjson")
	res, err := newClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines, last, most := readLines(t, bufio.NewReaderSize(res.Body, 64<<10))
	var trailer struct {
		RowCount int `json:"rowCount"`
	}
	if err := json.Unmarshal([]byte(last), &trailer); err != nil || trailer.RowCount != rows || lines != rows+2 {
		t.Errorf("%d lines, the last one %s (%v)", lines, last, err)
	}
	if most > 64<<20 { // the answer has more than 110 MB
		t.Errorf("the heap grew to %d bytes", most)
	}
}

// readLines returns how many lines there are, the last one, and the greatest
// heap seen on the way.
func readLines(t *testing.T, r *bufio.Reader) (lines int, last string, most uint64) {
	t.Helper()
	var stats runtime.MemStats
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return lines, last, most
		}
		if lines++; lines%100_000 == 2 { // the trailer is line 1,000,002
			runtime.ReadMemStats(&stats)
			most, last = max(most, stats.HeapAlloc), string(line)
		}
	}
}

func TestAStopLetsAQueryFinishAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	w := newWhole(t, nil)
	answer := make(chan reply, 1)
	client := newClient(t)
	go func() {
		r, err := w.try(context.WithoutCancel(t.Context()), client, "red", `{"query":"select tenant, pg_sleep(1) from items"}`)
		if err != nil {
			t.Error(err)
		}
		answer <- r
	}()
	waitFor(t, func() bool { return w.running(t, "pg_sleep") == 1 })
	if err := w.stop(); err != nil {
		t.Errorf("the stop: %v", err)
	}
	if r := <-answer; r.status != http.StatusOK || !strings.Contains(r.body, `"red"`) {
		t.Errorf("status %d: %s", r.status, r.body)
	}
	if len(w.keeper.Stats()) != 0 {
		t.Errorf("pools are left: %+v", w.keeper.Stats())
	}
}

func TestAStopCutsAQueryThatOutlivesTheDrainTimeout(t *testing.T) {
	t.Parallel()
	w := newWhole(t, func(c *server.Config, _ *pools.Config) { c.DrainTimeout = 300 * time.Millisecond })
	status := make(chan int, 1)
	client := newClient(t)
	go func() {
		r, err := w.try(context.WithoutCancel(t.Context()), client, "red", sleeping)
		if err != nil {
			t.Error(err)
		}
		status <- r.status
	}()
	waitFor(t, func() bool { return w.running(t, "pg_sleep") == 1 })
	began := time.Now()
	if err := w.stop(); !errors.Is(err, server.ErrCut) {
		t.Errorf("the stop: %v", err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if got := <-status; got != http.StatusServiceUnavailable {
		t.Errorf("status %d", got)
	}
	waitFor(t, func() bool { return w.running(t, "pg_sleep") == 0 })
}

func TestPoolsAreSeenAndEvictedOverTheAdminAPI(t *testing.T) {
	t.Parallel()
	w := newWhole(t, nil)
	w.post(t, "red", `{"query":"select 1"}`)
	shown := fmt.Sprint(get(t, w.admin+"/v1/pools/red").object(t)["pools"])
	if !strings.Contains(shown, "tenant:red") || !strings.Contains(shown, "state:ready") {
		t.Errorf("the pool is %s", shown)
	}
	if res := do(t, w.admin+"/v1/pools/red/evict", nil); res.StatusCode != http.StatusOK {
		t.Fatalf("status %d", res.StatusCode)
	}
	waitFor(t, func() bool { return get(t, w.admin+"/v1/pools/red").status == http.StatusNotFound })
	if r := w.post(t, "red", `{"query":"select tenant from items"}`); r.status != http.StatusOK {
		t.Errorf("after the eviction: status %d: %s", r.status, r.body)
	}
}

func get(t *testing.T, url string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := newClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var text strings.Builder
	if _, err := bufio.NewReader(res.Body).WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, text.String()}
}

func TestASlowReaderHoldsNeitherConnectionNorLease(t *testing.T) {
	t.Parallel()
	w := newWhole(t, nil)
	body := `{"query":"select repeat('x', 9000000)"}`
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /t/red/sql HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if _, err := conn.Read(make([]byte, 1)); err != nil { // the answer has begun
		t.Fatal(err)
	}
	stats := w.keeper.Stats()
	if len(stats) != 1 || stats[0].Leases != 0 || stats[0].Acquired != 0 {
		t.Errorf("while the answer is written: %+v", stats)
	}
}
