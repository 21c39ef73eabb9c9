package main

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

// demo is the configuration of a fresh clone.
const demo = "../../config.yaml"

// startDev starts dev on free ports.
func startDev(t *testing.T, config, data string, more ...string) *program {
	t.Helper()
	return start(t, append([]string{
		"dev", "--config", config, "--data", data, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
	}, more...)...)
}

// copyDemo copies the demo to where a test may change it, and returns the path
// of its configuration.
func copyDemo(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "cmd/poolkeeper/demo"), os.DirFS("demo")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(demo)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, filepath.Join(dir, "config.yaml"), string(text))
}

func TestDevServesTheDemoTenants(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	p := startDev(t, demo, data)
	url := "http://" + p.Data + "/sql"
	query := `{"query":"select tenant from items"}`

	status, body := send(t, request{url: url, header: map[string]string{"X-Tenant-ID": "acme"}, body: query})
	onlyRowsOf(t, "acme", status, body)
	status, body = p.sql(t, "globex", "select tenant from items union all select tenant from notes")
	onlyRowsOf(t, "globex", status, body)
	status, body = send(t, request{url: url, host: "acme.localhost:8080", body: query})
	onlyRowsOf(t, "acme", status, body)
	status, body = send(t, request{
		url: url, body: query, header: map[string]string{"Neon-Connection-String": "postgresql://me@globex.localhost/app"},
	})
	onlyRowsOf(t, "globex", status, body)

	if status, body = p.sql(t, "initech", "select 1"); status != http.StatusForbidden || !strings.Contains(body, "isolation") {
		t.Errorf("initech shares its login: %d %s", status, body)
	}
	suspended, suspendedBody := p.sql(t, "hooli", "select 1")
	unknown, unknownBody := p.sql(t, "nobody", "select 1")
	if suspended != http.StatusNotFound || suspended != unknown || withoutID(suspendedBody) != withoutID(unknownBody) {
		t.Errorf("suspended: %d %s\nunknown: %d %s", suspended, suspendedBody, unknown, unknownBody)
	}
	if status, body = p.sql(t, "acme", "select tenant from public.items"); status != http.StatusOK || strings.Contains(body, "acme") {
		t.Errorf("public has no tables of the same names: %d %s", status, body)
	}
	for _, secret := range []string{"poolkeeper", ".keyset.json"} {
		info, err := os.Stat(filepath.Join(data, "credentials", secret))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the secret %s: %v %v", secret, info, err)
		}
	}
}

var requestID = regexp.MustCompile(`"request_id":"[^"]*"`)

func withoutID(body string) string { return requestID.ReplaceAllString(body, "") }

var (
	curl    = regexp.MustCompile(`curl -s (http://\S+?)(/\S*)?(?: -H '([^:]+): ([^']+)')?(?: -d '([^']+)')?(?:;| \||$)`)
	neonURL = regexp.MustCompile(`fetchEndpoint = '([^']+)'`)
	neonDSN = regexp.MustCompile(`neon\('([^']+)'\)`)
)

func TestEveryExampleThatDevPrintsWorks(t *testing.T) {
	t.Parallel()
	p := startDev(t, demo, dataFolder(t))
	text := p.stdout.String()
	if lines := strings.Split(strings.Trim(text, "\n"), "\n"); len(lines) > 40 {
		t.Errorf("%d lines are no screen:\n%s", len(lines), text)
	}
	ran := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		for _, m := range curl.FindAllStringSubmatch(line, -1) {
			ran++
			r := request{method: http.MethodGet, url: m[1] + m[2], body: m[5], header: map[string]string{}}
			if m[5] != "" {
				r.method = http.MethodPost
			}
			if m[3] != "" {
				r.header[m[3]] = m[4]
			}
			// Where the name of a tenant stands in the host, every resolver
			// that follows RFC 6761 goes to the loopback; Go's does not.
			if host, port, err := net.SplitHostPort(strings.TrimPrefix(m[1], "http://")); err == nil && strings.HasSuffix(host, ".localhost") {
				r.host, r.url = host+":"+port, "http://127.0.0.1:"+port+m[2]
			}
			if status, body := send(t, r); status != http.StatusOK {
				t.Errorf("%s\ngives %d: %s", m[0], status, body)
			}
		}
	}
	if ran != 5 {
		t.Errorf("%d curl commands found in:\n%s", ran, text)
	}
	url, dsn := neonURL.FindStringSubmatch(text), neonDSN.FindStringSubmatch(text)
	if url == nil || dsn == nil {
		t.Fatalf("no example of Neon's client in:\n%s", text)
	}
	status, body := send(t, request{url: url[1], header: map[string]string{"Neon-Connection-String": dsn[1]}, body: `{"query":"select tenant from items"}`})
	onlyRowsOf(t, "globex", status, body)
}

func TestDevKeepsTheDataAndLeavesNoServerBehind(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	p := startDev(t, demo, data)
	if status, body := p.sql(t, "acme", "insert into items (name) values ('kept')"); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	p.stop(t)
	if _, err := os.Stat(filepath.Join(data, "postgresql/data/postmaster.pid")); !os.IsNotExist(err) {
		t.Errorf("PostgreSQL was not stopped: %v", err)
	}

	p = startDev(t, demo, data)
	status, body := p.sql(t, "acme", "select tenant, name from items where name = 'kept'")
	onlyRowsOf(t, "acme", status, body)
	if _, body = p.sql(t, "acme", "select tenant from items"); len(tenants(t, body)) != 4 {
		t.Errorf("the second start made the rows again: %s", body)
	}
}

func TestDevStopsWhenItsPostgreSQLIsKilled(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	p := startDev(t, demo, data)
	pid := waitForPostmaster(t.Context(), data)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-p.code:
		p.cancel()
		p.cancel = nil
		text := p.stderr.String()
		last := lastLine(errors.New(text))
		if code != exitFailed || !strings.HasPrefix(last, "poolkeeper: PostgreSQL ") || !strings.Contains(last, "was killed or crashed") ||
			!strings.Contains(last, filepath.Join(data, "postgresql", "postgres.log")) {
			t.Errorf("%d, and it says:\n%s", code, text)
		}
	case <-time.After(patience):
		t.Fatalf("dev goes on without PostgreSQL:\n%s", p.stderr.String())
	}
}

func TestATenantThatIsWrittenIntoTheFileWhileDevRunsIsMadeAndServed(t *testing.T) {
	t.Parallel()
	path := copyDemo(t)
	p := startDev(t, path, dataFolder(t))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.Replace(string(before), "\ntenants:\n",
		"\ntenants:\n  umbrella: {plan: standard, schema: umbrella, login: umbrella}\n", 1))
	p.eventually(t, "the new tenant is served", func() bool {
		status, body := p.sql(t, "umbrella", "select tenant from items")
		if status == http.StatusNotFound {
			return false // not made yet: like one that does not exist
		}
		onlyRowsOf(t, "umbrella", status, body)
		return true
	})
	write(t, path, strings.Replace(string(before), "status: suspended", "status: active", 1))
	p.eventually(t, "the resumed tenant is served", func() bool {
		status, _ := p.sql(t, "hooli", "select tenant from items")
		return status == http.StatusOK
	})
	if status, body := p.sql(t, "umbrella", "select 1"); status != http.StatusNotFound {
		t.Errorf("a tenant that was taken out of the file is served: %d %s", status, body)
	}
}

func TestABrokenFileChangesNothingAndNamesTheLine(t *testing.T) {
	t.Parallel()
	path := copyDemo(t)
	p := startDev(t, path, dataFolder(t))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// The tenant is right, but another section is not: nothing changes.
	text := strings.Replace(string(before), "\ntenants:\n", "\ntenants:\n  umbrella: {plan: standard, schema: umbrella, login: umbrella}\n", 1)
	write(t, path, text+"\nlogs:\n  level: loud\n")
	line := strings.Count(text, "\n") + 2
	p.eventually(t, "the mistake is in the log", func() bool {
		return strings.Contains(p.stderr.String(), path+":"+itoa(line)+": logs: is no setting; did you mean log?")
	})
	if status, _ := p.sql(t, "umbrella", "select 1"); status != http.StatusNotFound {
		t.Errorf("a broken file brought a tenant: %d", status)
	}
	status, body := p.sql(t, "acme", "select tenant from items")
	onlyRowsOf(t, "acme", status, body)

	write(t, path, strings.Replace(text, "#max_pools: 1000", "max_pools: 10", 1))
	p.eventually(t, "the setting that waits for a restart is in the log", func() bool {
		return strings.Contains(p.stderr.String(), "they take effect at the next start") && strings.Contains(p.stderr.String(), "pools.max_pools")
	})
	p.eventually(t, "the tenant of the mended file is served", func() bool {
		status, _ := p.sql(t, "umbrella", "select 1")
		return status == http.StatusOK
	})
}

func TestDevUsesAServerThatRunsAlready(t *testing.T) {
	t.Parallel()
	srv, err := pgtest.Start(t.Context(), pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
	data := dataFolder(t)
	p := startDev(t, demo, data, "--postgres", srv.AdminDSN(""))
	status, body := p.sql(t, "globex", "select tenant from items")
	onlyRowsOf(t, "globex", status, body)
	p.stop(t)
	if _, err := os.Stat(filepath.Join(data, "postgresql")); !os.IsNotExist(err) {
		t.Errorf("a private server was made all the same: %v", err)
	}
	// It goes on running, and a data folder that was lost is no harm: the
	// passwords are set anew.
	p = startDev(t, demo, dataFolder(t), "--postgres", srv.AdminDSN(""))
	status, body = p.sql(t, "acme", "select tenant from items")
	onlyRowsOf(t, "acme", status, body)
}
