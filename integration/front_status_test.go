package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server"
)

// A statusRow is a row of the status table that PostgreSQL has a part in.
type statusRow struct {
	name   string
	tenant string
	body   string
	header []string
	before func(t *testing.T, d *front)                       // prepares what goes wrong
	during func(t *testing.T, d *front, ask func() said) said // asks while something else goes on
	status int
	codes  []string
	retry  bool
}

func statusRows() []statusRow {
	return []statusRow{
		{name: "served", tenant: "red", body: `{"query":"select tenant from items limit 1"}`, status: 200},
		{name: "SQL error", tenant: "red", body: `{"query":"select * from nowhere"}`, status: 400, codes: []string{"42P01"}},
		{name: "constraint", tenant: "red", body: `{"queries":[{"query":"create table once (id int primary key)"},{"query":"insert into once values (1), (1)"}]}`, status: 400, codes: []string{"23505"}},
		{name: "another tenant's table", tenant: "red", body: `{"query":"select * from blue.items"}`, status: 400, codes: []string{"42501"}},
		{name: "parameters that are too few", tenant: "red", body: `{"query":"select $1::int + $2::int","params":["1"]}`, status: 400, codes: []string{"08P01"}},
		{name: "NUL", tenant: "red", body: `{"query":"select $1","params":["a\u0000b"]}`, status: 400, codes: []string{"bad_request", "22021"}},
		{name: "unknown tenant", tenant: "nobody", status: 404, codes: []string{"tenant_refused"}},
		{name: "isolation by rows", tenant: "rows", status: 403, codes: []string{"isolation"}},
		{name: "isolation with a shared login", tenant: "shared", status: 403, codes: []string{"isolation"}},
		{name: "the tenant's statement timeout", tenant: "quick", body: `{"query":"select pg_sleep(20)"}`, status: 504, codes: []string{"57014"}},
		{name: "a timeout that SQL lifted", tenant: "quick", body: `{"queries":[{"query":"set local statement_timeout = 0"},{"query":"select pg_sleep(20)"}]}`, status: 504, codes: []string{"57014", "deadline"}},
		{name: "the client's deadline", tenant: "red", body: `{"query":"select pg_sleep(20)"}`, header: []string{"X-Request-Timeout", "100ms"}, status: 504, codes: []string{"57014", "deadline"}},
		{name: "body", tenant: "red", body: `{"query":"select '` + strings.Repeat("x", 9000) + `'"}`, status: 413, codes: []string{"body_too_large"}},
		{name: "result", tenant: "red", body: `{"query":"select repeat('x', 9000)"}`, status: 507, codes: []string{"result_too_large"}},
		{name: "result of many rows", tenant: "red", body: `{"query":"select i from generate_series(1, 1000000) i"}`, status: 507, codes: []string{"result_too_large"}},
		{name: "database down", tenant: "away", status: 503, codes: []string{"database_unavailable"}, retry: true},
		{name: "our login refused", tenant: "locked", before: changePassword, status: 503, codes: []string{"28P01"}, retry: true},
		{name: "session ended", tenant: "red", body: `{"query":"select pg_sleep(20)"}`, during: terminated, status: 503, codes: []string{"57P01"}, retry: true},
		{name: "the tenant's queue", tenant: "narrow", body: `{"query":"select 1"}`, during: crowded, status: 429, codes: []string{"tenant_limit"}, retry: true},
		{name: "the tenant's queue timeout", tenant: "narrow", body: `{"query":"select 1"}`, during: occupied("narrow"), status: 429, codes: []string{"tenant_limit"}, retry: true},
	}
}

func changePassword(t *testing.T, d *front) {
	t.Helper()
	admin(t, d.server, d.database, "ALTER ROLE "+d.database+"_locked PASSWORD 'another'")
}

// terminated ends the session from elsewhere.
func terminated(t *testing.T, d *front, ask func() said) said {
	t.Helper()
	answer := make(chan said, 1)
	go func() { answer <- ask() }()
	until(t, "the statement", func() bool { return d.running(t, "pg_sleep(20)") == 1 })
	admin(t, d.server, d.database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'select pg_sleep(20)%'")
	return <-answer
}

// occupied asks while a tenant's only connection is at work.
func occupied(tenant string) func(*testing.T, *front, func() said) said {
	return func(t *testing.T, d *front, ask func() said) said {
		t.Helper()
		leave := d.occupy(t, tenant)
		defer leave()
		return ask()
	}
}

// crowded asks while another waits already.
func crowded(t *testing.T, d *front, ask func() said) said {
	t.Helper()
	leave := d.occupy(t, "narrow")
	defer leave()
	waiting := make(chan struct{})
	go func() {
		defer close(waiting)
		_, _ = d.ask(t.Context(), d.client(t, "h2"), "narrow", `{"query":"select 1"}`)
	}()
	until(t, "the wait", func() bool {
		return slices.ContainsFunc(d.Stats(), func(s pools.Stat) bool { return s.Tenant.String() == "narrow" && s.Waiting == 1 })
	})
	r := ask()
	leave()
	<-waiting
	return r
}

// occupy has a statement at work until leave is called.
func (d *front) occupy(t *testing.T, tenant string) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	c := d.client(t, "h2")
	go func() {
		defer close(gone)
		_, _ = d.ask(ctx, c, tenant, `{"query":"select pg_sleep(19)"}`)
	}()
	until(t, "the statement", func() bool { return d.running(t, "pg_sleep(19)") == 1 })
	return sync.OnceFunc(func() {
		cancel()
		<-gone
		until(t, "its end", func() bool { return d.running(t, "pg_sleep(19)") == 0 })
	})
}

// Criterion: every row of the status table through real HTTP, here those that
// PostgreSQL has a part in; the others are in package server's tests.
func TestTheStatusTableWithARealDatabase(t *testing.T) {
	t.Parallel()
	d := newFront(t, frontPlan{
		tenants: map[string]string{
			"red": "own", "blue": "own", "rows": "row", "shared": "shared", "quick": "own", "away": "own",
			"locked": "own", "narrow": "own",
		},
		edit: func(r *registry.Tenant) {
			switch r.ID.String() {
			case "quick":
				r.Limits.StatementTimeout = 200 * time.Millisecond
			case "narrow":
				r.Limits.MaxConns, r.Limits.Queue = 1, 1
			case "away":
				r.Cluster = "away"
			}
		},
		pools: func(c *pools.Config) {
			c.Clusters["away"] = registry.Cluster{DSN: registry.NewSecret("postgres://x@127.0.0.1:1/x?sslmode=disable")}
			c.QueueTimeout = time.Second
		},
		server: func(c *server.Config) { c.SQL.MaxBody, c.SQL.MaxResult = 8192, 8192 },
	})
	for _, row := range statusRows() {
		d.hold(t, row, d.client(t, "http/1.1"))
		if row.before == nil {
			d.hold(t, row, d.client(t, "h2"), "Neon-Connection-String", "postgresql://u:p@"+row.tenant+".example.com/db")
		}
	}
}

// hold asks for a row, in the dialect that the headers say.
func (d *front) hold(t *testing.T, row statusRow, c *http.Client, headers ...string) {
	t.Helper()
	body := row.body
	if body == "" {
		body = `{"query":"select 1"}`
	}
	ask := func() said {
		r, err := d.ask(t.Context(), c, row.tenant, body, append(slices.Clone(headers), row.header...)...)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		return r
	}
	if row.before != nil {
		row.before(t, d)
	}
	r := said{}
	if row.during != nil {
		r = row.during(t, d, ask)
	} else {
		r = ask()
	}
	status := row.status
	neon := len(headers) > 0
	if neon && row.codes != nil && row.codes[0] == "tenant_refused" {
		status, row.codes = http.StatusBadRequest, []string{"28P01"}
	}
	if r.status != status {
		t.Errorf("%s, neon %v: status %d, want %d: %.300s", row.name, neon, r.status, status, r.body)
	}
	if err := wellRefused(r, row, neon); r.status >= 400 && err != nil {
		t.Errorf("%s, neon %v: %v: %.300s", row.name, neon, err, r.body)
	}
}

func wellRefused(r said, row statusRow, neon bool) error {
	var v struct {
		Code *string `json:"code"`
	}
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		return err
	}
	var err error
	if v.Code == nil {
		// The protocol gives its own errors no code.
		if !neon || !slices.ContainsFunc(row.codes, func(c string) bool { return c == "bad_request" || c == "result_too_large" }) {
			err = errors.New("there is no code")
		}
	} else if !slices.Contains(row.codes, *v.Code) {
		err = fmt.Errorf("code %s, want one of %v", *v.Code, row.codes)
	}
	if (r.header.Get("Retry-After") != "") != row.retry {
		err = errors.Join(err, fmt.Errorf("Retry-After is %q", r.header.Get("Retry-After")))
	}
	if r.header.Get("Server-Timing") != "" || r.header.Get("Cache-Control") != "no-store" || r.header.Get("X-Request-Id") == "" {
		err = errors.Join(err, fmt.Errorf("the headers are %v", r.header))
	}
	return err
}

func TestAFullBudgetIsNoOutage(t *testing.T) {
	t.Parallel()
	d := newFront(t, frontPlan{tenants: map[string]string{"first": "own", "second": "own"}, pools: func(c *pools.Config) {
		main := c.Clusters["main"]
		main.Budget = 1
		c.Clusters["main"] = main
		c.QueueTimeout = 500 * time.Millisecond
	}})
	row := statusRow{
		name: "the cluster's budget", tenant: "second", body: `{"query":"select 1"}`,
		during: occupied("first"), status: 503, codes: []string{"capacity"}, retry: true,
	}
	d.hold(t, row, d.client(t, "http/1.1"))
	d.hold(t, row, d.client(t, "h2"), "Neon-Connection-String", "postgresql://u:p@second.example.com/db")
}

// lost is a registry that nothing is known from.
type lost struct{}

func (lost) Tenant(context.Context, registry.ID) (*registry.Tenant, error) {
	return nil, registry.ErrUnavailable
}

func TestRecordsThatAreUnavailableAreNoRefusalOfTheTenant(t *testing.T) {
	t.Parallel()
	d := newFront(t, frontPlan{tenants: map[string]string{"red": "own"}, router: func(_ *router.Config, deps *router.Deps) { deps.Tenants = lost{} }})
	row := statusRow{name: "registry", tenant: "red", status: 503, codes: []string{"registry_unavailable"}, retry: true}
	d.hold(t, row, d.client(t, "h2"))
	d.hold(t, row, d.client(t, "http/1.1"), "Neon-Connection-String", "postgresql://u:p@red.example.com/db")
}
