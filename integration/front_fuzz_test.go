package integration_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/token"
	"github.com/poolkeeper/poolkeeper/server"
)

// telltale is in the name of a tenant and in its rows, and in no request.
const telltale = "zebra"

// goodKey is a key of the other tenant.
const goodKey = "pk_abcdefghijkl_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"

// oneKey knows one key, and no token.
type oneKey struct{}

func (oneKey) Key(_ context.Context, text string) (apikey.Key, error) {
	if text != goodKey {
		return apikey.Key{}, apikey.ErrUnknown
	}
	return apikey.Key{ID: "abcdefghijkl", Tenant: id("alpha"), Scope: apikey.ScopeWrite}, nil
}

func (oneKey) Verify(context.Context, string) (*token.Token, error) { return nil, token.ErrSignature }

// thrown is a request as it goes over the wire.
type thrown struct {
	method, path string
	header       []string // whole lines
	body         string
	length       string // of the body, when it is to be wrong
}

// seeds are requests that are all right.
func seeds() []thrown {
	sql := func(body string, header ...string) thrown {
		return thrown{method: "POST", path: "/sql", header: append(header, "Content-Type: application/json"), body: body}
	}
	named := "X-Tenant-ID: alpha"
	neonString := "Neon-Connection-String: postgresql://u:p%40ss@alpha.db.example.com:5432/app?sslmode=require&application_name=x"
	return []thrown{
		sql(`{"query":"SELECT tenant, id FROM items WHERE id = $1","params":["1"]}`, named),
		sql(`{"query":"SELECT $1::text, $2::jsonb, $3::int[]","params":["x",{"a":[1,2,{"b":null}]},[1,2,3]]}`, named),
		sql(`{"queries":[{"query":"SELECT tenant FROM items"},{"query":"SELECT 1","arrayMode":true}]}`, named, "Neon-Batch-Isolation-Level: Serializable", "Neon-Batch-Read-Only: true"),
		sql(`{"query":"SELECT * FROM items","params":[]}`, neonString, "Neon-Raw-Text-Output: true", "Neon-Array-Mode: true"),
		sql(`{"query":"SELECT i, tenant FROM items, generate_series(1, 20) i"}`, named, "Accept: application/x-ndjson"),
		sql(`{"query":"INSERT INTO items VALUES (9, 'alpha') RETURNING *"}`, "Authorization: Bearer "+goodKey),
		sql(`{"query":"SELECT tenant FROM items"}`, "apikey: "+goodKey, "X-Request-Timeout: 2.5"),
		sql(`{"query":"SELECT tenant FROM items"}`, strings.Replace(neonString, "p%40ss", goodKey, 1)),
		{method: "POST", path: "/t/alpha/sql", header: []string{"X-Request-Id: a-1", "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, body: `{"query":"SELECT tenant FROM items"}`},
		{method: "OPTIONS", path: "/sql", header: []string{"Origin: https://x.example", "Access-Control-Request-Method: POST"}},
		{method: "GET", path: "/readyz"},
		{method: "GET", path: "/openapi.json"},
	}
}

// pieces are what no client should send, and some do.
func pieces() []string {
	return []string{
		"\x00", "\\u0000", "\xff\xfe", "\ufeff", "\u202e", "\ud7ff", "'", "\"", ";", "--", "/*", "$1", "$99999999999", "{", "}", "[", "]", "null", "true", "1e999", "-0",
		"99999999999999999999999999", strings.Repeat("[", 2000), strings.Repeat("9", 5000), strings.Repeat("a", 70000), "%00", "%2e%2e%2f", "%zz", "/", "//", "..", "?", "#", ":", "@",
		" ", "\t", "\r", "\n", "\r\n", "\r\n\r\n", "postgresql://", "postgres://:@/", "@[::1]:5/", "user=x host=y", "pk_", "Bearer", "Bearer ", "a.b.c", "gzip", "chunked",
		"COPY items TO STDOUT", "BEGIN", "ROLLBACK", "DISCARD ALL", "SET search_path TO public", "SELECT 1/0", "SELECT pg_sleep(0.01)", "RAISE", "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '08006'; END $$",
		"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'XX000'; END $$", `{"query":"SELECT 1","query":"SELECT 2"}`, `"params":[[[[]]]]`, `"arrayMode":1`, "localhost", "127.0.0.1", "admin", "alpha+read", "ALPHA", "alpha.",
	}
}

// mutate changes a request in one to four places.
func mutate(random *rand.Rand, r thrown) thrown {
	r.header = slices.Clone(r.header)
	for range 1 + random.IntN(4) {
		switch random.IntN(10) {
		case 0:
			r.method = pick(random, []string{"GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "BREW", "post", scramble(random, r.method)})
		case 1:
			r.path = scramble(random, r.path)
		case 2:
			r.path = pick(random, []string{"/t/" + pick(random, pieces()) + "/sql", "/t/alpha/sql?x=" + pick(random, pieces()), "*", "http://other.example/sql", "/v1/tenants", "/metrics", "/t//sql"})
		case 3:
			r.header = append(r.header, pick(random, seeds()[random.IntN(9)].header))
		case 4:
			r.header = append(r.header, pick(random, []string{
				"Content-Encoding: gzip", "Transfer-Encoding: chunked", "Expect: 100-continue", "Connection: upgrade", "Upgrade: h2c", "Accept: */*;q=x", "Host: alpha.example.com",
				"X-Forwarded-For: 10.0.0.1", "X-Forwarded-Host: alpha.example.com", "Authorization: Basic YTpi", "Cookie: a=b", "Range: bytes=0-1", "Accept: application/x-ndjson", "Neon-Batch-Isolation-Level: Chaos",
			}))
		case 5, 6:
			if len(r.header) > 0 {
				i := random.IntN(len(r.header))
				r.header[i] = scramble(random, r.header[i])
			}
		case 7:
			r.length = pick(random, []string{"0", "1", "-1", "x", "99999999999999999999", strconv.Itoa(random.IntN(100))})
		default:
			r.body = scramble(random, r.body)
		}
	}
	return r
}

func pick(random *rand.Rand, from []string) string { return from[random.IntN(len(from))] }

// scramble changes a text in one place.
func scramble(random *rand.Rand, s string) string {
	i := random.IntN(len(s) + 1)
	j := i + random.IntN(len(s)-i+1)
	switch random.IntN(6) {
	case 0:
		return s[:i] + s[j:]
	case 1:
		return s[:i] + pick(random, pieces()) + s[j:]
	case 2:
		return s[:i] + s[i:j] + s[i:j] + s[j:]
	case 3:
		return s[:i] + string([]byte{byte(random.IntN(256))}) + s[i:]
	case 4:
		return strings.ToUpper(s)
	default:
		return s[:i] + pick(random, pieces()) + s[i:]
	}
}

func (r thrown) text() string {
	length := r.length
	if length == "" {
		length = strconv.Itoa(len(r.body))
	}
	lines := append([]string{r.method + " " + r.path + " HTTP/1.1", "Host: api.example.com", "Connection: close", "Content-Length: " + length}, r.header...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + r.body
}

// throw sends a request and returns all that comes back. On a loaded machine it
// may be sent later than the server waits for it, and is sent anew.
func (d *front) throw(ctx context.Context, r thrown) (text string, err error) {
	for range 10 {
		began := time.Now()
		if text, err = d.send(ctx, r); err == nil || time.Since(began) < fuzzPatience {
			break
		}
	}
	return text, err
}

func (d *front) send(ctx context.Context, r thrown) (string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", d.address)
	if err != nil {
		return "", err
	}
	if d.roots != nil {
		conn = tls.Client(conn, &tls.Config{RootCAs: d.roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12})
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, r.text()) // the server may hang up in the middle
	text, err := io.ReadAll(bufio.NewReader(conn))
	if len(text) > 0 {
		err = nil // what comes after the answer, such as a reset, does not matter
	}
	return string(text), err
}

// fuzzPatience is how long the server waits for a request, of which many do not
// come whole.
const fuzzPatience = 100 * time.Millisecond

func fuzzSeed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("POOLKEEPER_SEED")
	if text == "" {
		return uint64(time.Now().UnixNano())
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("POOLKEEPER_SEED is %q, not a number", text)
	}
	return seed
}

// Criterion: of 10,000 fuzzed requests none is answered with 500, and none
// with another tenant's name or rows.
func TestTenThousandStrangeRequestsGiveNo500AndNothingOfAnotherTenant(t *testing.T) {
	t.Parallel()
	d := newFront(t, frontPlan{
		tenants: map[string]string{"alpha": "own", telltale + "-corp": "own", "rows": "row"},
		pools:   func(c *pools.Config) { c.MaxConns, c.Queue, c.QueueTimeout = 8, 100, 10*time.Second },
		edit:    func(r *registry.Tenant) { r.Limits.StatementTimeout = 5 * time.Second },
		server: func(c *server.Config) {
			c.ReadTimeout, c.ReadHeaderTimeout = fuzzPatience, fuzzPatience
			c.SQL.MaxBody = 64 << 10
		},
		router: func(c *router.Config, deps *router.Deps) {
			c.Resolvers = append([]string{"key", "jwt"}, c.Resolvers...)
			deps.Keys, deps.Tokens = oneKey{}, oneKey{}
		},
		plain: true,
	})
	seed := fuzzSeed(t)
	t.Logf("the seed is %d (POOLKEEPER_SEED)", seed)
	var left atomic.Int64
	left.Store(10_000)
	var clients sync.WaitGroup
	var mu sync.Mutex // guards statuses
	statuses := map[string]int{}
	began := time.Now()
	for worker := range uint64(24) {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(seed, worker))
			for left.Add(-1) >= 0 && !t.Failed() {
				r := seeds()[random.IntN(len(seeds()))]
				r = mutate(random, r)
				answer, err := d.throw(t.Context(), r)
				status := judge(t, d, r, answer, err)
				mu.Lock()
				statuses[status]++
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	t.Logf("10,000 requests in %v: %v", time.Since(began).Round(time.Millisecond), statuses)
	if len(statuses) < 8 || statuses["200"] < 200 || statuses["200"] > 9000 {
		t.Errorf("the requests are not strange enough, or too strange: %v", slices.Sorted(maps.Keys(statuses)))
	}
	if r, err := d.ask(t.Context(), d.client(t, "http/1.1"), "alpha", `{"query":"SELECT 1"}`); err != nil || r.status != http.StatusOK {
		t.Errorf("afterwards: status %d: %s, %v", r.status, r.body, err)
	}
}

// judge returns the answer's status, "none" for none.
func judge(t *testing.T, d *front, r thrown, answer string, err error) string {
	if err != nil {
		t.Errorf("%v: %.500q", err, r.text())
	}
	if strings.Contains(strings.ToLower(answer), telltale) {
		t.Errorf("%.500q is answered with %.2000s", r.text(), answer)
	}
	line, _, _ := strings.Cut(answer, "\r\n")
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return "none"
	}
	if strings.Contains(answer, "HTTP/1.1 500 ") || strings.Contains(answer, "HTTP/1.0 500 ") { // maybe after a 100
		t.Errorf("%.500q is answered with %.2000s\nlog: %s", r.text(), answer, errorsOf(d.log.String()))
	}
	return fields[1]
}

// errorsOf are the lines of a log that are errors.
func errorsOf(log string) string {
	var all strings.Builder
	for line := range strings.Lines(log) {
		if strings.Contains(line, "level=ERROR") {
			fmt.Fprint(&all, line)
		}
	}
	return all.String()
}
