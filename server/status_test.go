package server_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server"
)

var update = flag.Bool("update", false, "write the golden files")

// A statusCase is a row of the status table, as a client meets it.
type statusCase struct {
	name   string
	setup  func(*harness)
	tenant string // acme when empty
	body   string // {"query":"one"} when empty

	status     int    // as problem+json
	code       string // as problem+json
	neon       int    // with a connection string
	neonMapped int    // with a connection string and sql.errors: neon
	mappedCode string // then; "" means the key is null
	retry      string
}

func acquireError(err error) func(*harness) { return func(h *harness) { h.acquireErr = err } }

func raise(severity, code string) string {
	return fmt.Sprintf(`{"query":"raise %s %s"}`, severity, code)
}

func statusCases() []statusCase {
	id := registry.MustParseID("acme")
	down := &pools.DatabaseError{Tenant: id, RetryAfter: 2500 * time.Millisecond, Err: errors.New("dial 10.0.0.1 as acme: refused")}
	badLogin := &pools.DatabaseError{Tenant: id, Err: &pgconn.PgError{Severity: "FATAL", Code: "28P01", Message: "password authentication failed for user \"acme_login\""}}
	return []statusCase{
		{name: "unknown tenant", tenant: "nobody", status: 401, code: "tenant_refused", neon: 400, neonMapped: 400, mappedCode: "28P01"},
		{name: "suspended tenant", tenant: "hooli", status: 401, code: "tenant_refused", neon: 400, neonMapped: 400, mappedCode: "28P01"},
		{name: "malformed tenant", tenant: "no_such'\"tenant", status: 401, code: "tenant_refused", neon: 400, neonMapped: 400, mappedCode: "28P01"},
		{name: "tenant queue", setup: acquireError(fmt.Errorf("x: %w", pools.ErrTenantQueue)), status: 429, code: "tenant_limit", neon: 429, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "tenant timeout", setup: acquireError(pools.ErrTenantTimeout), status: 429, code: "tenant_limit", neon: 429, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "cluster budget", setup: acquireError(fmt.Errorf("cluster main, wanted by globex: %w", pools.ErrBudget)), status: 503, code: "capacity", neon: 503, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "cluster budget while connecting", setup: acquireError(&pools.DatabaseError{Tenant: id, RetryAfter: 2500 * time.Millisecond, Err: pools.ErrBudget}), status: 503, code: "capacity", neon: 503, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "cluster queue", setup: acquireError(fmt.Errorf("x: %w", pools.ErrClusterQueue)), status: 503, code: "capacity", neon: 503, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "pool limit", setup: acquireError(pools.ErrPoolLimit), status: 503, code: "capacity", neon: 503, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "keeper closed", setup: acquireError(pools.ErrClosed), status: 503, code: "capacity", neon: 503, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "database down", setup: acquireError(down), status: 503, code: "database_unavailable", neon: 503, neonMapped: 400, mappedCode: "57P03", retry: "3"},
		{name: "our login refused", setup: acquireError(badLogin), status: 503, code: "28P01", neon: 503, neonMapped: 400, mappedCode: "57P03", retry: "1"},
		{name: "registry down", setup: func(h *harness) { h.records.err = registry.ErrUnavailable }, status: 503, code: "registry_unavailable", neon: 503, neonMapped: 400, mappedCode: "57P03", retry: "1"},
		{name: "deadline", setup: func(h *harness) { h.cfg.SQL.Timeout = 50 * time.Millisecond }, body: `{"query":"sleep"}`, status: 504, code: "deadline", neon: 504, neonMapped: 400, mappedCode: "57014"},
		{name: "statement timeout", body: raise("ERROR", "57014"), status: 504, code: "57014", neon: 504, neonMapped: 400, mappedCode: "57014"},
		{name: "sql error", body: raise("ERROR", "42P01"), status: 400, code: "42P01", neon: 400, neonMapped: 400, mappedCode: "42P01"},
		{name: "constraint", body: raise("ERROR", "23505"), status: 400, code: "23505", neon: 400, neonMapped: 400, mappedCode: "23505"},
		{name: "parameter count", body: raise("ERROR", "08P01"), status: 400, code: "08P01", neon: 400, neonMapped: 400, mappedCode: "08P01"},
		{name: "statement raises an outage", body: raise("ERROR", "57P01"), status: 400, code: "57P01", neon: 400, neonMapped: 400, mappedCode: "57P01"},
		{name: "statement raises exhaustion", body: raise("ERROR", "53300"), status: 400, code: "53300", neon: 400, neonMapped: 400, mappedCode: "53300"},
		{name: "session ended", body: raise("FATAL", "57P01"), status: 503, code: "57P01", neon: 503, neonMapped: 400, mappedCode: "57P01", retry: "1"},
		{name: "connection lost", body: `{"query":"drop"}`, status: 503, code: "database_unavailable", neon: 503, neonMapped: 400, mappedCode: "57P03", retry: "1"},
		{name: "no wall by record", tenant: "shared", status: 403, code: "isolation", neon: 403, neonMapped: 403, mappedCode: "isolation"},
		{name: "no wall by connection", setup: func(h *harness) { h.walled = fmt.Errorf("%w: login is a superuser; use another", pools.ErrNotWalled) }, status: 403, code: "isolation", neon: 403, neonMapped: 403, mappedCode: "isolation"},
		{name: "body too large", setup: func(h *harness) { h.cfg.SQL.MaxBody = 1024 }, body: `{"query":"` + strings.Repeat("x", 2000) + `"}`, status: 413, code: "body_too_large", neon: 413, neonMapped: 413, mappedCode: "body_too_large"},
		{name: "result too large", setup: func(h *harness) { h.cfg.SQL.MaxResult = 1024 }, body: `{"query":"wide 5000"}`, status: 507, code: "result_too_large", neon: 507, neonMapped: 507},
		{name: "malformed body", body: `{"query":`, status: 400, code: "bad_request", neon: 400, neonMapped: 400},
		{name: "copy", body: `{"query":"COPY t TO STDOUT"}`, status: 400, code: "0A000", neon: 400, neonMapped: 400, mappedCode: "0A000"},
		{name: "anything else", setup: acquireError(errors.New("host=10.0.0.1 password=hunter2")), status: 500, code: "internal", neon: 500, neonMapped: 500, mappedCode: "internal"},
	}
}

func (c statusCase) post(t *testing.T, mode string, headers ...string) reply {
	t.Helper()
	h := newHarness(t, func(h *harness) {
		if c.setup != nil {
			c.setup(h)
		}
		h.cfg.SQL.Errors = mode
	})
	body := c.body
	if body == "" {
		body = `{"query":"one"}`
	}
	return h.post(t, "/sql", body, append(headers, "X-Request-Id", "request-1")...)
}

func (c statusCase) tenantID() string {
	if c.tenant == "" {
		return "acme"
	}
	return c.tenant
}

func TestTheStatusTableOverHTTP(t *testing.T) {
	t.Parallel()
	for _, c := range statusCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := c.post(t, server.ErrorsHonest, "X-Tenant-ID", c.tenantID())
			if r.status != c.status || r.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("status %d as %s, want %d: %s", r.status, r.header.Get("Content-Type"), c.status, r.body)
			}
			if got := r.object(t)["code"]; got != c.code {
				t.Errorf("code %v, want %s", got, c.code)
			}
			if got := r.object(t)["request_id"]; got != "request-1" {
				t.Errorf("request_id is %v", got)
			}
			c.common(t, r)
			golden(t, "problem", c.name, r)
		})
	}
}

func TestTheStatusTableInTheNeonDialect(t *testing.T) {
	t.Parallel()
	for _, c := range statusCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			connection := "postgresql://me%40home:s3cret-password@" + c.tenantID() + ".db.example.com/appdb"
			r := c.post(t, server.ErrorsHonest, "Neon-Connection-String", connection)
			if r.status != c.neon {
				t.Errorf("status %d, want %d: %s", r.status, c.neon, r.body)
			}
			c.common(t, r)
			wantNeonBody(t, r)
			golden(t, "neon", c.name, r)

			mapped := c.post(t, server.ErrorsNeon, "Neon-Connection-String", connection)
			if mapped.status != c.neonMapped {
				t.Errorf("mapped: status %d, want %d: %s", mapped.status, c.neonMapped, mapped.body)
			}
			if got, _ := mapped.object(t)["code"].(string); got != c.mappedCode {
				t.Errorf("mapped: code %q, want %q", got, c.mappedCode)
			}
			c.common(t, mapped)
			wantNeonBody(t, mapped)
		})
	}
}

// common checks what holds in every dialect.
func (c statusCase) common(t *testing.T, r reply) {
	t.Helper()
	if got := r.header.Get("Retry-After"); got != c.retry {
		t.Errorf("Retry-After is %q, want %q", got, c.retry)
	}
	if got := r.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
	if got := r.header.Get("X-Request-Id"); got != "request-1" {
		t.Errorf("X-Request-Id is %q", got)
	}
	if got := r.header.Get("Neon-Request-Id"); got != "request-1" {
		t.Errorf("Neon-Request-Id is %q", got)
	}
	for _, secret := range []string{"hunter2", "s3cret-password", "10.0.0.1", "acme_login", "pools: ", "globex"} {
		if strings.Contains(r.body, secret) {
			t.Errorf("the body shows %q: %s", secret, r.body)
		}
	}
}

var neonKeys = []string{
	"message", "code", "detail", "hint", "position", "internalPosition", "internalQuery", "severity", "where",
	"table", "column", "schema", "dataType", "constraint", "file", "line", "routine",
}

func wantNeonBody(t *testing.T, r reply) {
	t.Helper()
	body := r.object(t)
	for _, key := range neonKeys {
		value, there := body[key]
		if _, text := value.(string); !there || value != nil && !text {
			t.Errorf("key %s is %v (there: %v)", key, value, there)
		}
	}
	if len(body) != len(neonKeys) {
		t.Errorf("%d keys, want %d: %s", len(body), len(neonKeys), r.body)
	}
	if message, _ := body["message"].(string); message == "" {
		t.Error("there is no message")
	}
}

// golden compares the body with the file, or writes it with -update.
func golden(t *testing.T, dialect, name string, r reply) {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "errors", dialect, strings.ReplaceAll(name, " ", "_")+".json")
	got = append(got, '\n')
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, got, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs (-update writes it):\ngot  %s\nwant %s", file, got, want)
	}
}

func TestRefusedTenantsLookTheSameInEveryDialect(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var plain, dialect []string
	for _, id := range []string{"nobody", "hooli", "UPPER", "a b", "x'y", "ü", strings.Repeat("x", 10000), "-"} {
		r := h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", id)
		plain = append(plain, fmt.Sprint(r.status, withoutID(r)))
		n := h.post(t, "/sql", `{"query":"one"}`, "Neon-Connection-String", "postgresql://me:pw@"+id+".example.com/db")
		dialect = append(dialect, fmt.Sprint(n.status, n.body))
	}
	for i := range plain {
		if plain[i] != plain[0] {
			t.Errorf("refusal %d differs: %s\nfrom %s", i, plain[i], plain[0])
		}
		if dialect[i] != dialect[0] {
			t.Errorf("refusal %d differs in the Neon dialect: %s\nfrom %s", i, dialect[i], dialect[0])
		}
	}
}

func TestTheNeonDialectNamesTheUserOfTheConnectionString(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for connection, user := range map[string]string{
		"postgresql://me:pw@nobody.example.com/db":        "me",
		"postgresql://me%40home:pw@nobody.example.com/db": "me@home",
		"postgresql://me@nobody.example.com/db":           "me",
		"postgresql://a%00b:pw@nobody.example.com/db":     "a\x00b",
		"postgresql://%zz:pw@nobody.example.com/db":       "%zz",
		"postgresql://nobody.example.com/db":              "",
		"not a connection string":                         "",
		"":                                                "",
		"postgresql://" + strings.Repeat("ü", 500) + ":pw@nobody.example/db": strings.Repeat("ü", 31),
	} {
		r := h.post(t, "/sql", `{"query":"one"}`, "Neon-Connection-String", connection)
		want := "password authentication failed for user '" + user + "'"
		if got := r.object(t)["message"]; r.status != http.StatusBadRequest || got != want {
			t.Errorf("%q: status %d, message %q, want %q", connection, r.status, got, want)
		}
	}
}
