package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// account is the user that runs initdb and postgres.
type account struct {
	name     string
	uid, gid int
	groups   []int // gid among them
	other    bool  // it is not the user of our own process
}

// serverAccount returns our own user, or, for root, the one that takes its
// place: PostgreSQL refuses to run as root.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		groups, err := os.Getgroups()
		if err != nil {
			return account{}, fmt.Errorf("pgtest: reading the groups of our user: %w", err)
		}
		name := "with the number " + strconv.Itoa(os.Geteuid())
		if u, err := user.LookupId(strconv.Itoa(os.Geteuid())); err == nil {
			name = u.Username
		}
		return account{name: name, uid: os.Geteuid(), gid: os.Getegid(), groups: append(groups, os.Getegid())}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.Atoi(u.Uid)
		gid, errGID := strconv.Atoi(u.Gid)
		if errUID != nil || errGID != nil || uid == 0 {
			continue
		}
		return account{name: name, uid: uid, gid: gid, groups: []int{gid}, other: true}, nil
	}
	return account{}, fail(ErrPermission,
		"PostgreSQL does not run as root, and there is no user postgres or nobody to run it; start as an ordinary user")
}

// attr has a program run as the account, in a process group of its own so
// that a Ctrl-C on the terminal is ours alone.
func (a account) attr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a.other {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)} //nolint:gosec // ids of the user database
	}
	return attr
}

// command returns a program to be run as the account. It runs in the root
// folder, because the account may not be able to enter ours, and without
// libpq's variables, which initdb and postgres would follow.
func (a account) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the programs that Find chose
	cmd.Dir = "/"
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "LC_") || name == "LANG" || name == "LANGUAGE"
	})
	cmd.Env = append(cmd.Env, "LC_ALL=C")
	cmd.SysProcAttr = a.attr()
	return cmd
}

// run runs a program to its end and returns what it printed.
func (a account) run(ctx context.Context, limit time.Duration, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := a.command(ctx, program, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	return out.String(), err
}

// own gives path to the account.
func (a account) own(path string) error {
	if !a.other {
		return nil
	}
	if err := os.Lchown(path, a.uid, a.gid); err != nil {
		return fmt.Errorf("pgtest: giving %s to the user %s: %w", path, a.name, err)
	}
	return nil
}

// mode is what a folder of ours gets: closed, or passable for the other user.
func (a account) mode() fs.FileMode {
	if a.other {
		return 0o711
	}
	return 0o700
}

// barrier returns the first folder on the way to path that exists and that the
// account may not enter, or "". path must be absolute.
func (a account) barrier(path string) string {
	if !a.other {
		return ""
	}
	// Links are resolved as far as the path exists, so that the folders
	// really passed are looked at.
	existing := path
	for {
		real, err := filepath.EvalSymlinks(existing)
		if err == nil {
			existing = real
			break
		}
		if (!errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR)) || existing == filepath.Dir(existing) {
			return existing
		}
		existing = filepath.Dir(existing)
	}
	for _, dir := range ancestors(existing) {
		info, err := os.Stat(dir)
		if err != nil || (info.IsDir() && !a.mayEnter(info)) {
			return dir
		}
	}
	return ""
}

// ancestors lists path and the folders above it, from the root.
func ancestors(path string) []string {
	var dirs []string
	for {
		dirs = append(dirs, path)
		parent := filepath.Dir(path)
		if parent == path {
			slices.Reverse(dirs)
			return dirs
		}
		path = parent
	}
}

// mayEnter reports whether the mode bits let the account pass the folder.
func (a account) mayEnter(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	switch {
	case int(st.Uid) == a.uid:
		return info.Mode()&0o100 != 0
	case slices.Contains(a.groups, int(st.Gid)):
		return info.Mode()&0o010 != 0
	}
	return info.Mode()&0o001 != 0
}

// blockedBy is the end of a sentence that names the barrier before path.
func (a account) blockedBy(path string) string {
	if dir := a.barrier(path); dir != "" {
		return " (it cannot enter " + dir + ")"
	}
	return ""
}
