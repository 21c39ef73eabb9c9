//go:build unix && !linux

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// dieWithUs is for systems whose kernel can do it; see watchOver.
func dieWithUs(*syscall.SysProcAttr) {}

// watchOver starts a small shell that waits for the end of a pipe which only
// our process holds open, and then gives postgres its fast shutdown.
func watchOver(ctx context.Context, acct account, p *process) error {
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	cmd := acct.command(context.WithoutCancel(ctx), "/bin/sh", "-c", `read _; kill -INT "$1"`, "sh", strconv.Itoa(p.pid))
	cmd.Stdin = read
	err = cmd.Start()
	_ = read.Close()
	if err != nil {
		_ = write.Close()
		return fmt.Errorf("pgtest: starting the watch over postgres: %w", err)
	}
	go func() {
		<-p.done
		_ = cmd.Process.Kill()
		_ = write.Close()
		_ = cmd.Wait()
	}()
	return nil
}

// childrenOf lists the processes whose parent is pid.
func childrenOf(pid int) []int {
	var children []int
	for line := range strings.Lines(psOutput("-axo", "pid=,ppid=")) {
		fields := strings.Fields(line)
		if len(fields) != 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		if child, err := strconv.Atoi(fields[0]); err == nil {
			children = append(children, child)
		}
	}
	return children
}

// alive reports whether a process has the number.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// commandLine returns the arguments of a process, separated by spaces.
func commandLine(pid int) string { return psOutput("-o", "command=", "-p", strconv.Itoa(pid)) }

// psOutput asks ps, because there is no /proc. Those who ask have no context
// of their own, and a child process must not outlast their patience.
func psOutput(args ...string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, "ps", args...).Output() //nolint:gosec // our own arguments
	return strings.TrimSpace(string(out))
}
