package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.Main(m, pgtest.Options{})
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// program is a running items with its tenants.
type program struct {
	url   string
	admin *pgx.Conn
	stop  context.CancelFunc
	ended chan error
}

// start makes the tenants' schemas and runs the program on them as main does.
// It stops with the test.
func start(t *testing.T, tenants ...string) *program {
	t.Helper()
	p := &program{ended: make(chan error, 1)}
	database := pgtest.Shared().Database(t)
	admin, err := pgx.Connect(t.Context(), pgtest.Shared().AdminDSN(database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.WithoutCancel(t.Context())) })
	p.admin = admin
	env := []string{
		"ITEMS_DATABASE_URL=" + createSchemas(t, admin, database, tenants),
		"POOLKEEPER_SERVER_LISTEN=127.0.0.1:0", // the file says 127.0.0.1:8090
		"POOLKEEPER_POOLS_MAX_POOLS=50",
	}
	ctx, stop := context.WithCancel(t.Context())
	p.stop = stop
	reader, writer := io.Pipe()
	go func() {
		err := run(ctx, []string{"--config", writeConfig(t, tenants)}, env, writer)
		_ = writer.CloseWithError(io.EOF)
		p.ended <- err
	}()
	t.Cleanup(func() {
		stop()
		if err := p.wait(); err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	line, _ := bufio.NewReader(reader).ReadString('\n')
	_, p.url, _ = strings.Cut(strings.TrimSpace(line), "serving on ")
	if p.url == "" {
		t.Fatalf("it printed %q and ended with %v", line, p.wait())
	}
	return p
}

// wait returns what run returned, as often as it is asked.
func (p *program) wait() error {
	err := <-p.ended
	p.ended <- err
	return err
}

// createSchemas runs the shipped migration in each tenant's schema and in
// public, where the only item belongs to nobody. It returns how the
// application, which owns nothing, reaches the database.
func createSchemas(t *testing.T, admin *pgx.Conn, database string, tenants []string) string {
	t.Helper()
	migration, err := os.ReadFile("migrations/00001_items.sql")
	if err != nil {
		t.Fatal(err)
	}
	up, _, _ := strings.Cut(string(migration), "-- +goose Down")
	login := "app_of_" + database
	var sql strings.Builder
	fmt.Fprintf(&sql, "CREATE ROLE %s LOGIN PASSWORD 'app';", login)
	for _, schema := range append([]string{"public"}, tenants...) {
		fmt.Fprintf(&sql, `
			CREATE SCHEMA IF NOT EXISTS %[1]s; SET search_path TO %[1]s; %[3]s
			INSERT INTO items VALUES (1, 'first of %[2]s', '');
			GRANT USAGE ON SCHEMA %[1]s TO %[4]s; GRANT SELECT, INSERT ON items TO %[4]s;`,
			pgx.Identifier{schema}.Sanitize(), schema, up, login)
	}
	if _, err := admin.Exec(t.Context(), sql.String()); err != nil {
		t.Fatal(err)
	}
	return pgtest.Shared().DSN(database, login, "app")
}

// writeConfig is the shipped file with other tenants.
func writeConfig(t *testing.T, tenants []string) string {
	t.Helper()
	shipped, err := os.ReadFile("config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	settings, _, found := strings.Cut(string(shipped), "\ntenants:\n")
	if !found {
		t.Fatal("config.yaml has no tenants")
	}
	var file strings.Builder
	file.WriteString(settings + "\ntenants:\n")
	for _, name := range tenants {
		fmt.Fprintf(&file, "  %s: {cluster: main, isolation: schema, schema: %s}\n", name, name)
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// answer is what a test looks at.
type answer struct {
	status int
	header http.Header
	body   string
}

// send asks as a tenant; "" sends no header. It may be called in any goroutine.
func (p *program) send(t *testing.T, method, path, tenant, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return answer{}
	}
	if tenant != "" {
		req.Header.Set("X-Tenant-ID", tenant)
	}
	return do(t, req)
}

func do(t *testing.T, req *http.Request) answer {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return answer{res.StatusCode, res.Header, strings.TrimSpace(string(body))}
}

// items are those of a successful answer.
func (a answer) items(t *testing.T) []item {
	t.Helper()
	var got []item
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK {
		t.Fatalf("the answer is %d %s", a.status, a.body)
	}
	return got
}
