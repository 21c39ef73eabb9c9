package pgtest

import (
	"context"
	"os"
	"path/filepath"
)

// Finder looks for fake programs in fake places.
type Finder struct {
	Env, Path string
	Globs     []string
	Major     int
}

// Find runs the finder as the user that would run a server.
func (f Finder) Find(ctx context.Context, explicit string) (Binaries, error) {
	acct, err := serverAccount()
	if err != nil {
		return Binaries{}, err
	}
	in := finder{env: f.Env, path: f.Path, globs: f.Globs, acct: acct, inspect: inspect}
	return in.find(ctx, explicit, f.Major)
}

// Abandon gives up the folder's lock, as if our process had died, and leaves
// postgres running.
func (s *Server) Abandon() { _ = unlock(s.lock) }

// Ended is closed when the postgres that runs now has ended.
func (s *Server) Ended() <-chan struct{} { return s.proc.done }

// Base is the folder of everything.
func (s *Server) Base() string { return s.base }

// PID of postgres.
func (s *Server) PID() int { return s.proc.pid }

// The parts that have tests of their own.
var (
	Diagnose     = diagnose
	PackageName  = packageName
	Unpack       = unpack
	RestoreLinks = restoreLinks
	BuildFolder  = buildFolder
	Alive        = alive
	ChildrenOf   = childrenOf
	CommandLine  = commandLine
	MajorOf      = majorOf
)

// TempPrefix begins the names of temporary folders.
const TempPrefix = tempPrefix

// Barrier is the folder that keeps the server's user from a path.
func Barrier(path string) string {
	acct, err := serverAccount()
	if err != nil {
		return err.Error()
	}
	return acct.barrier(path)
}

// LockFile takes a lock for a test.
func LockFile(path string) (*os.File, error) { return lockFile(path, false) }

// Seed puts data from the template of test servers into a folder that keeps
// it, for tests that are not about making it.
func Seed(ctx context.Context, folder string) error {
	acct, err := serverAccount()
	if err != nil {
		return err
	}
	bin, err := newFinder(acct).find(ctx, "", 0)
	if err != nil {
		return err
	}
	if err := makeFolder(folder, acct); err != nil {
		return err
	}
	return fromTemplate(ctx, bin, acct, filepath.Join(folder, "data"), filepath.Join(folder, "password"))
}
