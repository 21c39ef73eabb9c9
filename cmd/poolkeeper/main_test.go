package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(programEnv) != "" {
		main()
		return
	}
	code := pgtest.Main(m, pgtest.Options{})
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// patience is how long a test waits for what should take a moment.
const patience = time.Minute

// output is what a program wrote, while it goes on writing.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// program is an App that runs.
type program struct {
	Addresses
	stdout, stderr output
	cancel         context.CancelFunc
	code           chan int
}

// execute runs a command line to its end.
func execute(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err output
	app := &App{Stdout: &out, Stderr: &err, Env: env}
	code = app.Run(t.Context(), args)
	return code, out.String(), err.String()
}

// start runs serve or dev until the test ends, and returns when it serves.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	p := &program{cancel: cancel, code: make(chan int, 1)}
	serving := make(chan Addresses, 1)
	app := &App{
		Stdout: &p.stdout, Stderr: &p.stderr,
		Serving: func(at Addresses) { serving <- at },
	}
	go func() { p.code <- app.Run(ctx, args) }()
	select {
	case p.Addresses = <-serving:
	case code := <-p.code:
		cancel()
		t.Fatalf("poolkeeper %v ended with %d before it served:\n%s", args, code, p.stderr.String())
	case <-time.After(patience):
		cancel()
		t.Fatalf("poolkeeper %v does not serve:\n%s", args, p.stderr.String())
	}
	t.Cleanup(func() {
		if p.cancel != nil {
			p.stop(t)
		}
	})
	return p
}

// stop is Ctrl-C; it returns when the program has ended.
func (p *program) stop(t *testing.T) {
	t.Helper()
	p.cancel()
	p.cancel = nil
	select {
	case code := <-p.code:
		if code != exitOK {
			t.Errorf("it ended with %d:\n%s", code, p.stderr.String())
		}
	case <-time.After(patience):
		t.Fatalf("it does not stop:\n%s", p.stderr.String())
	}
}

// request is one HTTP request of a test.
type request struct {
	method, url, host string
	header            map[string]string
	body              string
}

// send returns the status and the body.
func send(t *testing.T, r request) (int, string) {
	t.Helper()
	if r.method == "" {
		r.method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), r.method, r.url, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = r.host
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// sql sends a query to a tenant by its path.
func (p *program) sql(t *testing.T, tenant, query string) (int, string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	return send(t, request{url: "http://" + p.Data + "/t/" + tenant + "/sql", body: string(body)})
}

// eventually waits until ok, and fails with what it waited for.
func (p *program) eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: it never came to that:\n%s", what, p.stderr.String())
		}
	}
}

// tenants returns the tenants that the rows of an answer name.
func tenants(t *testing.T, body string) []string {
	t.Helper()
	var answer struct{ Rows []struct{ Tenant string } }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	var names []string
	for _, row := range answer.Rows {
		names = append(names, row.Tenant)
	}
	return names
}

// onlyRowsOf checks that there are rows and that every one is the tenant's.
func onlyRowsOf(t *testing.T, tenant string, status int, body string) {
	t.Helper()
	if status != http.StatusOK {
		t.Errorf("%s: %d: %s", tenant, status, body)
		return
	}
	names := tenants(t, body)
	if len(names) == 0 {
		t.Errorf("%s: no rows: %s", tenant, body)
	}
	for _, name := range names {
		if name != tenant {
			t.Errorf("%s got a row of %s: %s", tenant, name, body)
		}
	}
}

// dataFolder is a folder for dev that every user may pass: testing's own are
// closed, and PostgreSQL would take another place.
func dataFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "poolkeeper-dev-test-") //nolint:usetesting // those of testing are closed to other users
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// write writes a file of the test and returns its path.
func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
