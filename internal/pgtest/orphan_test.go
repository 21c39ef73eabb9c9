package pgtest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

// childEnv makes the test binary a program that starts a server and waits to
// be killed; its value is the folder of the data.
const childEnv = "PGTEST_CHILD"

func beChild() {
	srv, err := pgtest.Start(context.Background(), pgtest.Options{Data: os.Getenv(childEnv)})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(srv.PID())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// chownLikeServer gives a file to the user that would run a server.
func chownLikeServer(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ := strconv.Atoi(u.Uid)
			return os.Chown(path, uid, -1)
		}
	}
	return nil
}

func TestTheServerEndsWithOurProcess(t *testing.T) {
	t.Parallel()
	o := seeded(t)
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+o.Data)
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the child says %q", line)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for pgtest.Alive(pid) {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("postgres %d outlives its owner", pid)
		}
	}
	ask(t, start(t, o).AdminDSN(""), "select 'works'")
}

func TestFoldersOfOwnersThatDiedAreSwept(t *testing.T) {
	t.Parallel()
	root := filepath.Dir(pgtest.Shared().Base())
	old := time.Now().Add(-time.Hour)
	make := func() string {
		dir, err := os.MkdirTemp(root, pgtest.TempPrefix) //nolint:usetesting // it must lie where servers look
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		return dir
	}
	dead, owned, fresh := make(), make(), make()
	lock, err := pgtest.LockFile(filepath.Join(owned, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Close() }()
	for _, dir := range []string{dead, owned} {
		if err := os.Chtimes(dir, old, old); err != nil {
			t.Fatal(err)
		}
	}
	start(t, pgtest.Options{})
	for dir, want := range map[string]bool{dead: false, owned: true, fresh: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s is there: %t, want %t", filepath.Base(dir), err == nil, want)
		}
	}
}

func TestRootGetsAFolderThatTheServersUserCanEnter(t *testing.T) {
	t.Parallel()
	closed := filepath.Join(passable(t), "home")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(closed, "project", "pg")
	srv := start(t, pgtest.Options{Data: data})
	if os.Geteuid() != 0 {
		if srv.Note() != "" || srv.DataDir() != filepath.Join(data, "data") {
			t.Errorf("an ordinary user gets %s: %s", srv.DataDir(), srv.Note())
		}
		return
	}
	t.Cleanup(func() { _ = os.RemoveAll(srv.Base()) })
	if got := pgtest.Barrier(data); got != closed {
		t.Errorf("the barrier is %s", got)
	}
	for _, part := range []string{closed, data, srv.Base()} {
		if !strings.Contains(srv.Note(), part) {
			t.Errorf("the note %q lacks %s", srv.Note(), part)
		}
	}
	if strings.HasPrefix(srv.DataDir(), closed) {
		t.Errorf("the data is in %s", srv.DataDir())
	}
	ask(t, srv.AdminDSN(""), "select lo_from_bytea(4711, 'here')::text")
	stop(t, srv)
	again := start(t, pgtest.Options{Data: data})
	if got := ask(t, again.AdminDSN(""), "select convert_from(lo_get(4711), 'UTF8')"); got != "here" || again.DataDir() != srv.DataDir() {
		t.Errorf("%q in %s", got, again.DataDir())
	}
}

// strangeTB is a test that fails.
type strangeTB struct {
	*testing.T
	failed string
}

func (s *strangeTB) Fatalf(format string, args ...any) {
	s.failed = fmt.Sprintf(format, args...)
	panic(s)
}

func TestADatabaseOnADeadServerFailsTheTest(t *testing.T) {
	t.Parallel()
	srv := start(t, pgtest.Options{})
	if err := srv.Kill(); err != nil {
		t.Fatal(err)
	}
	tb := &strangeTB{T: t}
	func() {
		defer func() { _ = recover() }()
		srv.Database(tb)
	}()
	if !strings.Contains(tb.failed, t.Name()) {
		t.Errorf("it says %q", tb.failed)
	}
}

// noTests is a testing.M that must not run.
type noTests struct{ t *testing.T }

func (n noTests) Run() int {
	n.t.Error("the tests run without a server")
	return 0
}

func TestMainFailsWithoutAServer(t *testing.T) {
	t.Parallel()
	if code := pgtest.Main(noTests{t}, pgtest.Options{Bin: t.TempDir()}); code != 1 {
		t.Errorf("the exit code is %d", code)
	}
}
