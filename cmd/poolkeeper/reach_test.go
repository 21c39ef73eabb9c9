package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

// listeningLine is where a server says that it listens and serves nothing yet.
var listeningLine = regexp.MustCompile(`nothing is served yet" listen=(\S+) admin_listen=(\S+)`)

// startWaiting starts a server and returns when it says that it waits.
func startWaiting(t *testing.T, path string) (cmd *exec.Cmd, ended chan error, stderr *output) {
	t.Helper()
	stderr, ended = &output{}, make(chan error, 1)
	cmd = exec.CommandContext(t.Context(), os.Args[0], "serve", "--config", path)
	cmd.Env = append(os.Environ(), programEnv+"=1")
	cmd.Stderr = stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- cmd.Wait() }()
	within(t, patience, "the server to say that it waits", func() bool {
		return strings.Contains(stderr.String(), "the control database cannot be reached; nothing is served before it can")
	})
	return cmd, ended, stderr
}

// stopped is a server that does not run, and a configuration whose control
// database is there.
func stopped(t *testing.T) (path string, srv *pgtest.Server) {
	t.Helper()
	srv = pgtest.StartWith(t, nil)
	path, dsn := controlledConfig(t, 30*time.Second)
	edited(t, path, `dsn: "`+dsn+`"`, `dsn: "`+srv.AdminDSN(srv.Database(t))+`"`)
	if err := srv.Kill(); err != nil {
		t.Fatal(err)
	}
	return path, srv
}

func TestAServerThatStartsBeforeItsControlDatabaseServesWhenThatIsThere(t *testing.T) {
	t.Parallel()
	path, srv := stopped(t)
	cmd, ended, stderr := startWaiting(t, path)
	waiting := listeningLine.FindStringSubmatch(stderr.String())
	if waiting == nil {
		t.Fatalf("it does not say where it listens:\n%s", stderr)
	}
	for url, want := range map[string]int{
		waiting[1] + "/livez": http.StatusOK, waiting[1] + "/readyz": http.StatusServiceUnavailable,
		waiting[2] + "/livez": http.StatusOK, waiting[2] + "/readyz": http.StatusServiceUnavailable,
		waiting[2] + "/metrics": http.StatusOK, waiting[2] + "/v1/tenants": http.StatusServiceUnavailable,
	} {
		if status, body := send(t, request{method: http.MethodGet, url: "http://" + url}); status != want {
			t.Errorf("%s while it waits: %d %s", url, status, body)
		}
	}
	if err := srv.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	within(t, patience, "the server to serve", func() bool { return servingLine.MatchString(stderr.String()) })
	if status, body := send(t, request{method: http.MethodGet, url: "http://" + waiting[1] + "/readyz"}); status != http.StatusOK {
		t.Errorf("it serves, and /readyz says %d %s", status, body)
	}
	_ = cmd.Cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v\n%s", err, stderr)
	}
}

func TestAServerThatWaitsForItsControlDatabaseCanBeStopped(t *testing.T) {
	t.Parallel()
	path, srv := stopped(t)
	t.Cleanup(func() {
		if err := srv.Restart(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	cmd, ended, stderr := startWaiting(t, path)
	_ = cmd.Cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v\n%s", err, stderr)
	}
}
