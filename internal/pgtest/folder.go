package pgtest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// reachable returns wanted as an absolute path, or, when the account cannot
// get there, a folder below the temporary directory that always stands for
// it, and a note that says so.
func reachable(wanted string, acct account) (folder, note string, err error) {
	abs, err := filepath.Abs(wanted)
	if err != nil {
		return "", "", fmt.Errorf("pgtest: %w", err)
	}
	barrier := acct.barrier(abs)
	if barrier == "" {
		return abs, "", makeFolder(abs, acct)
	}
	tmp, err := tempRoot(acct)
	if err != nil {
		return "", "", err
	}
	sum := sha256.Sum256([]byte(abs))
	folder = filepath.Join(tmp, "poolkeeper-"+hex.EncodeToString(sum[:6]))
	note = fmt.Sprintf("PostgreSQL runs as the user %s, who cannot enter %s; %s takes the place of %s",
		acct.name, barrier, folder, abs)
	return folder, note, makeOwnFolder(folder, acct.mode())
}

// tempRoot returns the temporary directory, or another one that the account
// can enter.
func tempRoot(acct account) (string, error) {
	for _, dir := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if abs, err := filepath.Abs(dir); err == nil && acct.barrier(abs) == "" {
			return abs, nil
		}
	}
	return "", fail(ErrPermission, fmt.Sprintf("the user %s cannot enter the temporary directory %s", acct.name, os.TempDir()))
}

// makeFolder makes a folder that somebody named, with its parents.
func makeFolder(path string, acct account) error {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		// Parents that we make must be passable as well.
		err = os.MkdirAll(filepath.Dir(path), acct.mode()|0o055)
		if err == nil {
			err = os.Mkdir(path, acct.mode())
		}
	}
	switch {
	case err == nil || errors.Is(err, fs.ErrExist):
	case errors.Is(err, fs.ErrPermission):
		return fail(ErrPermission, fmt.Sprintf("the data folder %s cannot be made: permission denied", path))
	default:
		return fail(ErrFolder, fmt.Sprintf("the data folder %s cannot be made: %v", path, errors.Unwrap(err)))
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return fail(ErrFolder, path+" is a file, but a folder is needed for the data")
	}
	return nil
}

// makeOwnFolder makes a folder in a place where others may write, or accepts
// it when it is ours and nobody else's.
func makeOwnFolder(path string, mode fs.FileMode) error {
	err := os.Mkdir(path, mode)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fail(ErrPermission, fmt.Sprintf("the folder %s cannot be made: %v", path, errors.Unwrap(err)))
	}
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(st.Uid) != os.Geteuid() || info.Mode()&0o022 != 0 {
		return fail(ErrPermission, fmt.Sprintf("%s exists, but is not a folder that belongs to us alone; remove it", path))
	}
	return os.Chmod(path, mode) // passable where the server's user must pass
}

// lockFile takes the lock of a folder for as long as the file stays open: the
// kernel gives it back when our process ends, however it ends. Without wait it
// returns nil, nil when another process has it.
func lockFile(path string, wait bool) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // a path of ours
	if err != nil {
		return nil, err
	}
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		err = syscall.Flock(int(file.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, err
	}
	return file, nil
}

// unlock gives a lock back. Closing the file alone would leave it to a child
// that is being started at this moment and has not closed its copy yet.
func unlock(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	return errors.Join(err, file.Close())
}

// copyTree copies the folder from to the new folder to, and gives the copy to
// the account when there is one.
func copyTree(from, to string, acct *account) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, path[len(from):])
		switch {
		case entry.IsDir():
			err = os.Mkdir(target, info.Mode().Perm())
		case info.Mode().IsRegular():
			err = copyFile(path, target, info.Mode().Perm())
		default:
			err = fmt.Errorf("pgtest: %s is neither a file nor a folder", path)
		}
		if err == nil && acct != nil {
			err = acct.own(target)
		}
		return err
	})
}

func copyFile(from, to string, mode fs.FileMode) error {
	in, err := os.Open(from) //nolint:gosec // a path of ours
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode) //nolint:gosec // a path of ours
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
