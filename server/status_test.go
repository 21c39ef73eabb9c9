package server_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/server"
)

var update = flag.Bool("update", false, "write the golden files")

func (c statusCase) post(t *testing.T, mode string, headers ...string) reply {
	t.Helper()
	h := newHarness(t, func(h *harness) {
		if c.setup != nil {
			c.setup(h)
		}
		h.cfg.SQL.Errors = mode
	})
	url, _, _ := h.serve(t)
	ask := func() reply {
		return request(t, url+cmp.Or(c.path, "/sql"), cmp.Or(c.body, `{"query":"one"}`), append(append(headers, c.header...), "X-Request-Id", "request-1")...)
	}
	if c.twice {
		ask()
	}
	return ask()
}

// request posts over a real connection.
func request(t *testing.T, url, body string, headers ...string) reply {
	t.Helper()
	res, text := said(t, http.MethodPost, url, body, headers...)
	return holdData(t, http.MethodPost, res.Request.URL.Path, reply{res.StatusCode, res.Header, text})
}

// said asks over a real connection, and returns what was answered.
func said(t *testing.T, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := newClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
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
	if got := r.header.Get("Neon-Request-Id"); c.path != "/nowhere" && c.path != "/livez" && got != "request-1" {
		t.Errorf("Neon-Request-Id is %q", got)
	}
	for _, name := range []string{"Server-Timing", "RateLimit", "RateLimit-Policy", "ETag"} {
		if got := r.header.Get(name); got != "" {
			t.Errorf("the refusal has %s: %s", name, got)
		}
	}
	for _, secret := range []string{"ABCDEFGHIJKLMNOP", "hunter2", "s3cret-password", "10.0.0.1", "acme_login", "pools: ", "globex"} {
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
