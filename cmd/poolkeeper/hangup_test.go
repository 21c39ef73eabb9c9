package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A terminal that is closed says so, twice where a shell passes it on, and
// requests that run then must not be cut.
func TestAHangupStopsTheServerGracefully(t *testing.T) {
	t.Parallel()
	path, _ := controlledConfig(t, 30*time.Second)
	stderr := &output{}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "serve", "--config", path)
	cmd.Env = append(os.Environ(), programEnv+"=1")
	cmd.Stderr = stderr
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	within(t, patience, "the server to serve", func() bool { return servingLine.MatchString(stderr.String()) })
	for range 2 {
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(stderr.String(), "msg=stopped") {
		t.Errorf("it ended with %v:\n%s", err, stderr)
	}
}
