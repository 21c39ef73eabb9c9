package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server"
)

// requests is how many requests a load test makes: POOLKEEPER_REQUESTS, or a
// number that fits a run of the whole suite.
func requests(t testing.TB) int64 {
	t.Helper()
	text := os.Getenv("POOLKEEPER_REQUESTS")
	if text == "" {
		return 2_000
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("POOLKEEPER_REQUESTS is %q, not a number", text)
	}
	return n
}

// small keeps many tenants within the test server's connections, and has
// pools evicted all the time.
func small(c *pools.Config) {
	c.MaxPools, c.MaxConns, c.PoolWait, c.QueueTimeout = 150, 2, 30*time.Second, 30*time.Second
	c.OpenTimeout = time.Minute
}

func repeat(n int, marks ...string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = marks[i%len(marks)]
	}
	return all
}

func newRouter(t testing.TB, f *fleet) *router.Router {
	t.Helper()
	cfg := router.Defaults()
	cfg.Resolvers, cfg.Dev = []string{"path", "header"}, true
	r, err := router.New(cfg, router.Deps{Tenants: f.registry, Pools: f.Keeper})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// newServer returns a server with the data API of f.
func newServer(t testing.TB, f *fleet) *server.Server {
	t.Helper()
	cfg := server.Defaults()
	cfg.SQL.Timeout = time.Minute
	s, err := server.New(cfg, server.Deps{Router: newRouter(t, f), Keeper: f.Keeper, Registry: f.registry})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// gateway serves the data API of f and returns its address.
func gateway(t testing.TB, f *fleet) string {
	t.Helper()
	ts := httptest.NewServer(newServer(t, f).Handler())
	t.Cleanup(ts.Close)
	return ts.URL
}

// client keeps as many connections as a test has workers.
func client(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

type answer struct {
	Rows    []map[string]any `json:"rows"`
	Results []struct {
		Rows []map[string]any `json:"rows"`
	} `json:"results"`
	Code string `json:"code"`
}

func (a answer) all() []map[string]any {
	rows := a.Rows
	for _, r := range a.Results {
		rows = append(rows, r.Rows...)
	}
	return rows
}

// post sends body for tenant and returns the status and the answer.
func post(ctx context.Context, c *http.Client, url, tenant, body string) (int, answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/sql", strings.NewReader(body))
	if err != nil {
		return 0, answer{}, err
	}
	req.Header.Set("X-Tenant-ID", tenant)
	res, err := c.Do(req)
	if err != nil {
		return 0, answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, answer{}, err
	}
	var a answer
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&a); err != nil {
		return 0, a, fmt.Errorf("status %d: %w: %s", res.StatusCode, err, text)
	}
	return res.StatusCode, a, nil
}

// step is one kind of request and the status that it must get.
type step struct {
	body   string
	status int
}

const rowsBody = `{"query":"SELECT tenant FROM items WHERE id <= $1","params":["2"]}`

// steps are what clients do, half of it mischief.
func steps() []step {
	return []step{
		{rowsBody, 200},
		{rowsBody, 200},
		{rowsBody, 200},
		{`{"queries":[{"query":"SELECT tenant FROM items"},{"query":"UPDATE items SET id = id RETURNING tenant"}]}`, 200},
		{`{"queries":[{"query":"SELECT tenant FROM items"},{"query":"SELECT 1/0"}]}`, 400},
		{`{"query":"SELECT * FROM nowhere"}`, 400},
		{`{"query":"SET search_path TO public"}`, 200},
		{`{"query":"SELECT set_config('search_path', 'public', false)"}`, 200},
		{`{"query":"RESET ALL"}`, 200},
		{`{"query":"DISCARD ALL"}`, 200},
		{`{"query":"BEGIN"}`, 200},
		{`{"query":"SET statement_timeout TO 1"}`, 200},
		{`{"query":"DO $$ BEGIN PERFORM pg_sleep(0.002); END $$"}`, 200},
	}
}

// Criterion: 64 clients, 200 tenants, every kind of mischief, and not one row
// of another tenant or of public.
func TestTheGatewayNeverMixesTenantsUpUnderLoad(t *testing.T) {
	f := newFleet(t, small, repeat(200, "own", "own", "own", "own", "database")...)
	url, c := gateway(t, f), client(t)
	crowd(t, f, func(random *rand.Rand, name string) error {
		if random.IntN(20) == 0 {
			return abandon(c, url, name)
		}
		s := steps()[random.IntN(len(steps()))]
		status, a, err := post(t.Context(), c, url, name, s.body)
		if err != nil {
			return err
		}
		if status != s.status {
			return fmt.Errorf("%s is answered %d %s, want %d", s.body, status, a.Code, s.status)
		}
		for _, row := range a.all() {
			if owner, ok := row["tenant"]; ok && owner != name {
				return fmt.Errorf("a row of %v", owner)
			}
		}
		return nil
	})
}

// abandon goes away while a statement runs.
func abandon(c *http.Client, url, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Millisecond)
	defer cancel()
	_, _, err := post(ctx, c, url, name, `{"query":"SELECT pg_sleep(5)"}`)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return err
	}
	return nil
}

// crowd has 64 clients do act for random tenants of f until all requests are
// made, and reports what went wrong.
func crowd(t *testing.T, f *fleet, act func(random *rand.Rand, name string) error) {
	t.Helper()
	tenants, err := f.source.List(t.Context(), id(""), 1000)
	if err != nil {
		t.Fatal(err)
	}
	var left atomic.Int64
	left.Store(requests(t))
	var clients sync.WaitGroup
	began := time.Now()
	for seed := range uint64(64) {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(seed, 64))
			for left.Add(-1) >= 0 && !t.Failed() {
				name := tenants[random.IntN(len(tenants))].ID.String()
				if err := act(random, name); err != nil {
					t.Errorf("tenant %s: %v", name, err)
				}
			}
		})
	}
	clients.Wait()
	t.Logf("%d requests in %v", requests(t), time.Since(began).Round(time.Millisecond))
}
