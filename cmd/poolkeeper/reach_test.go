package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

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
	if err := srv.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	within(t, patience, "the server to serve", func() bool { return servingLine.MatchString(stderr.String()) })
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
