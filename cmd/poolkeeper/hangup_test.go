package main

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
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
	// A signal that somebody ignores is ignored by the programs that he starts, and
	// nohup ignores this one; a signal that somebody hears is as usual for them.
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP)
	defer signal.Stop(heard)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	stderr := &output{}
	cmd := exec.CommandContext(ctx, os.Args[0], "serve", "--config", path)
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
