package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopStale stops a postgres that an owner who died has left running on the
// data folder. The caller holds the folder's lock, so no live owner exists.
func stopStale(ctx context.Context, data string) error {
	pidFile := filepath.Join(data, "postmaster.pid")
	text, err := os.ReadFile(pidFile) //nolint:gosec // a path of ours
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fail(ErrPermission, fmt.Sprintf("%s cannot be read: permission denied", pidFile))
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(strings.TrimSpace(first)) // 0 for what is no number
	if pid <= 1 || !alive(pid) {
		return nil // postgres removes the file itself
	}
	if !runsOn(pid, data) {
		// The number belongs to another program by now, which would keep
		// postgres from starting.
		return os.Remove(pidFile)
	}
	return stopForeign(ctx, pid, data)
}

// runsOn reports whether the process is a postgres that was started on the
// data folder.
func runsOn(pid int, data string) bool {
	line := commandLine(pid)
	return strings.Contains(line, "postgres") && strings.Contains(line+" ", "-D "+data+" ")
}

// stopForeign stops a postgres that is not our child.
func stopForeign(ctx context.Context, pid int, data string) error {
	for _, step := range []struct {
		signal syscall.Signal
		limit  time.Duration
	}{{syscall.SIGINT, 15 * time.Second}, {syscall.SIGQUIT, 5 * time.Second}, {syscall.SIGKILL, 5 * time.Second}} {
		children := childrenOf(pid)
		if err := syscall.Kill(pid, step.signal); errors.Is(err, syscall.EPERM) {
			return fail(ErrInUse, fmt.Sprintf(
				"a PostgreSQL that another user started (process %d) runs on %s; stop it first", pid, data))
		}
		if waitGone(pid, step.limit) {
			for _, child := range children {
				waitGone(child, 5*time.Second)
			}
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("pgtest: stopping the PostgreSQL left running on %s: %w", data, ctx.Err())
		}
	}
	return fail(ErrInUse, fmt.Sprintf("the PostgreSQL left running on %s (process %d) does not stop", data, pid))
}

// temporary folders of servers without a folder of their own.
const tempPrefix = "poolkeeper-pgtest-"

// sweep removes the temporary folders whose owners died, and stops what they
// left running. It is a courtesy: what fails is left for the next time.
func sweep(ctx context.Context, root string) {
	dirs, _ := filepath.Glob(filepath.Join(root, tempPrefix+"*")) // the root is no pattern of a stranger
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < time.Minute {
			continue // perhaps made this moment and not yet locked
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
			continue
		}
		lock, err := lockFile(filepath.Join(dir, "lock"), false)
		if err != nil || lock == nil {
			continue
		}
		if stopStale(ctx, filepath.Join(dir, "data")) == nil {
			_ = os.RemoveAll(dir)
		}
		_ = unlock(lock)
	}
}
