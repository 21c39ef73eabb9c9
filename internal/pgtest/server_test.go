package pgtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		beChild()
		return
	}
	code := pgtest.Main(m, pgtest.Options{Settings: map[string]string{"work_mem": "3MB"}})
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// passable returns a folder below which the server's user gets, which
// t.TempDir alone is not.
func passable(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func start(t *testing.T, o pgtest.Options) *pgtest.Server {
	t.Helper()
	srv, err := pgtest.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, srv) })
	return srv
}

// seeded returns options for a folder that keeps its data, some of which is
// there already.
func seeded(t *testing.T) pgtest.Options {
	t.Helper()
	data := filepath.Join(passable(t), "pg")
	if err := pgtest.Seed(t.Context(), data); err != nil {
		t.Fatal(err)
	}
	return pgtest.Options{Data: data, Settings: map[string]string{"fsync": "off"}}
}

func stop(t *testing.T, srv *pgtest.Server) {
	t.Helper()
	if err := srv.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

func ask(t *testing.T, dsn, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var answer string
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return answer
}

func TestTheSharedServerIsQuickCarelessAndClosed(t *testing.T) {
	t.Parallel()
	srv := pgtest.Shared()
	for setting, want := range map[string]string{
		"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200", "work_mem": "3MB",
		"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "server_encoding": "UTF8", "password_encryption": "scram-sha-256",
	} {
		if got := ask(t, srv.AdminDSN(""), "select current_setting('"+setting+"')"); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	if got := ask(t, srv.AdminDSN(""), "select current_setting('server_version')"); !strings.HasPrefix(got, srv.Binaries().Version) ||
		srv.Version() < pgtest.MinMajor {
		t.Errorf("the server is %s, and says %d, %s", got, srv.Version(), srv.Binaries().Version)
	}
	if _, err := pgx.Connect(t.Context(), srv.DSN("postgres", "postgres", "wrong")); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("a wrong password gives %v", err)
	}
}

func TestADatabaseIsOwnEmptyAndGoneAfterwards(t *testing.T) {
	t.Parallel()
	srv := pgtest.Shared()
	var names []string
	for range 2 {
		t.Run("test", func(t *testing.T) {
			name := srv.Database(t)
			names = append(names, name)
			dsn := srv.AdminDSN(name)
			if got := ask(t, dsn, "select count(*)::text from pg_tables where schemaname = 'public'"); got != "0" {
				t.Errorf("it has %s tables", got)
			}
			conn, err := pgx.Connect(t.Context(), dsn) // not even this keeps it
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
		})
	}
	if names[0] == names[1] {
		t.Errorf("both tests had %s", names[0])
	}
	if got := ask(t, srv.AdminDSN(""), "select count(*)::text from pg_database where datname = any('{"+strings.Join(names, ",")+"}')"); got != "0" {
		t.Errorf("%s of %q are left", got, names)
	}
}

func TestStopLeavesNoProcessAndNoFolder(t *testing.T) {
	t.Parallel()
	srv := start(t, pgtest.Options{})
	conn, err := pgx.Connect(t.Context(), srv.AdminDSN("")) // a session does not keep it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	pids := append(pgtest.ChildrenOf(srv.PID()), srv.PID())
	if len(pids) < 4 {
		t.Fatalf("the server has the processes %v only", pids)
	}
	stop(t, srv)
	for _, pid := range pids {
		if pgtest.Alive(pid) {
			t.Errorf("process %d (%s) is left", pid, pgtest.CommandLine(pid))
		}
	}
	if _, err := os.Stat(srv.Base()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is left: %v", err)
	}
	stop(t, srv) // again
	if err := srv.Restart(t.Context()); !errors.Is(err, pgtest.ErrStopped) {
		t.Errorf("Restart after Stop: %v", err)
	}
	if err := srv.Kill(); !errors.Is(err, pgtest.ErrStopped) {
		t.Errorf("Kill after Stop: %v", err)
	}
}

func TestStopIsCompleteAlsoWhenThereIsNoTime(t *testing.T) {
	t.Parallel()
	srv := start(t, pgtest.Options{})
	conn, err := pgx.Connect(t.Context(), srv.AdminDSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	pids := append(pgtest.ChildrenOf(srv.PID()), srv.PID())
	if err := srv.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if pgtest.Alive(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
}

func TestAKilledServerComesBackOnItsPortWithItsData(t *testing.T) {
	t.Parallel()
	srv := start(t, pgtest.Options{})
	dsn, port := srv.AdminDSN(""), srv.Port()
	ask(t, dsn, "with x as (select set_config('x.y', 'z', false)) select * from x")
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "create table kept (v text); insert into kept values ('here')"); err != nil {
		t.Fatal(err)
	}
	pids := append(pgtest.ChildrenOf(srv.PID()), srv.PID())
	if err := srv.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if pgtest.Alive(pid) {
			t.Errorf("process %d survived", pid)
		}
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a session survived")
	}
	if err := srv.Kill(); err != nil { // of what is dead
		t.Error(err)
	}
	for _, why := range []string{"killed", "running"} {
		if err := srv.Restart(t.Context()); err != nil {
			t.Fatalf("%s: %v", why, err)
		}
		if got := ask(t, dsn, "select v from kept"); got != "here" || srv.Port() != port {
			t.Errorf("%s: %q on port %d, before %d", why, got, srv.Port(), port)
		}
	}
}

func TestOnlyAnEndThatNobodyAskedForIsAnExit(t *testing.T) {
	t.Parallel()
	srv := start(t, pgtest.Options{Settings: map[string]string{"fsync": "off"}})
	first := srv.Exited()
	if err := srv.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	killed := srv.Exited()
	if err := errors.Join(srv.Kill(), srv.Restart(t.Context())); err != nil {
		t.Fatal(err)
	}
	running := srv.Exited()
	stopped := start(t, pgtest.Options{Settings: map[string]string{"fsync": "off"}})
	last := stopped.Exited()
	stop(t, stopped)
	for _, exited := range []<-chan struct{}{first, killed, running, last} {
		select {
		case <-exited:
			t.Error("an end that was asked for counts as an exit")
		default:
		}
	}
	if err := syscall.Kill(srv.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-running:
	case <-time.After(time.Minute):
		t.Fatal("nobody noticed that postgres was killed")
	}
}

func TestTheLogQuotesNoStatement(t *testing.T) {
	t.Parallel()
	srv := start(t, pgtest.Options{Settings: map[string]string{"fsync": "off"}})
	conf, err := os.OpenFile(filepath.Join(srv.DataDir(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conf.WriteString("\nlog_statement = all\nlog_parameter_max_length_on_error = -1\n") // ours come first
	if err := errors.Join(err, conf.Close(), srv.Restart(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, srv.AdminDSN(""), "show log_parameter_max_length_on_error"); got != "0" {
		t.Errorf("parameters are logged up to %s", got)
	}
	conn, err := pgx.Connect(t.Context(), srv.AdminDSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, sql := range []string{
		"alter role absent password 'swordfish'",
		"do $$ begin execute 'alter role absent password ''swordfish'''; end $$", // quoted as the context
		"create temp table t (secret text unique check (secret <> 'swordfish')); insert into t values ('swordfish')",
	} {
		if _, err := conn.Exec(t.Context(), sql); err == nil {
			t.Fatalf("%s is accepted", sql)
		}
	}
	if _, err := conn.Exec(t.Context(), "select 1 / length($1) * 0 / ($2::int)", "swordfish", 0); err == nil {
		t.Fatal("a division by zero is accepted")
	}
	text, err := os.ReadFile(srv.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `role "absent" does not exist`) {
		t.Errorf("the log does not say what went wrong:\n%s", text)
	}
	if strings.Contains(string(text), "swordfish") {
		t.Errorf("the log quotes a statement:\n%s", text)
	}
}

func TestASecondStartKeepsDataAndPassword(t *testing.T) {
	t.Parallel()
	data := filepath.Join(passable(t), "new", "pg")
	first := start(t, pgtest.Options{Data: data})
	if got := first.Note(); got != "" {
		t.Errorf("the note says %q", got)
	}
	ask(t, first.AdminDSN(""), "select lo_from_bytea(4711, 'here')::text")
	for name, want := range map[string]os.FileMode{"password": 0o600, "postgres.log": 0o600, "lock": 0o600, "data": 0o700} {
		info, err := os.Stat(filepath.Join(data, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
	dsn := first.AdminDSN("")
	stop(t, first)
	second := start(t, pgtest.Options{Data: data, Port: first.Port()})
	if second.AdminDSN("") != dsn {
		t.Error("the password changed")
	}
	if got := ask(t, second.AdminDSN(""), "select convert_from(lo_get(4711), 'UTF8')"); got != "here" {
		t.Errorf("the data is %q", got)
	}
	if got := ask(t, second.AdminDSN(""), "select current_setting('fsync')"); got != "on" {
		t.Errorf("a server that keeps its data has fsync = %s", got)
	}
}

func TestWhatIsWrongIsOneSentenceOfItsKind(t *testing.T) {
	t.Parallel()
	busy, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = busy.Close() }) // the parts of the test run after this function
	port := busy.Addr().(*net.TCPAddr).Port
	write := func(path ...string) string {
		dir := passable(t)
		file := filepath.Join(append([]string{dir}, path...)...)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("99\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	owned := write("data", "PG_VERSION")
	if err := chownLikeServer(filepath.Join(owned, "data")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o    pgtest.Options
		kind error
		text string
	}{
		"port in use":        {pgtest.Options{Port: port}, pgtest.ErrPortInUse, fmt.Sprintf("port %d on 127.0.0.1 is in use", port)},
		"file":               {pgtest.Options{Data: filepath.Join(write("file"), "file")}, pgtest.ErrFolder, "is a file"},
		"below a file":       {pgtest.Options{Data: filepath.Join(write("file"), "file", "x")}, pgtest.ErrFolder, "cannot be made"},
		"other folder":       {pgtest.Options{Data: write("data", "letters.txt")}, pgtest.ErrFolder, "holds something else"},
		"somebody's cluster": {pgtest.Options{Data: write("PG_VERSION")}, pgtest.ErrFolder, "is itself the data"},
		"other version":      {pgtest.Options{Data: owned}, pgtest.ErrVersion, "was made by PostgreSQL 99"},
		"bad setting":        {pgtest.Options{Settings: map[string]string{"no_such": "1"}}, pgtest.ErrFailed, `unrecognized configuration parameter "no_such"`},
		"bad folder of programs": {
			pgtest.Options{Bin: passable(t)}, pgtest.ErrNotFound, "does not contain the programs initdb and postgres",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, err := pgtest.Start(t.Context(), c.o)
			if err == nil {
				stop(t, srv)
			}
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) || strings.Count(err.Error(), "\n") > 0 {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAFolderHasOneOwner(t *testing.T) {
	t.Parallel()
	o := seeded(t)
	srv := start(t, o)
	_, err := pgtest.Start(t.Context(), o)
	if !errors.Is(err, pgtest.ErrInUse) {
		t.Fatalf("the second start gives %v", err)
	}
	if got := ask(t, srv.AdminDSN(""), "select 'runs'"); got != "runs" {
		t.Error("the first server was disturbed")
	}
}

func TestAServerWhoseOwnerDiedIsStoppedByTheNext(t *testing.T) {
	t.Parallel()
	o := seeded(t)
	first, err := pgtest.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ended := first.Ended()
	first.Abandon()
	second := start(t, o)
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the first postgres still runs")
	}
	if second.PID() == first.PID() {
		t.Error("nothing was started")
	}
	ask(t, second.AdminDSN(""), "select 'works'")
}

func TestAPidFileOfAnotherProgramDoesNotKeepTheServerFromStarting(t *testing.T) {
	t.Parallel()
	o := seeded(t)
	srv := start(t, o)
	stop(t, srv)
	pidFile := filepath.Join(srv.DataDir(), "postmaster.pid")
	if err := os.WriteFile(pidFile, fmt.Appendf(nil, "%d\n%s\n", os.Getppid(), srv.DataDir()), 0o600); err != nil {
		t.Fatal(err)
	}
	ask(t, start(t, o).AdminDSN(""), "select 'works'")
}

func TestTheLogIsCopied(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	srv := start(t, pgtest.Options{Log: &log})
	file, err := os.ReadFile(srv.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	stop(t, srv)
	if got := log.String(); !strings.Contains(got, "ready to accept connections") || !strings.HasPrefix(got, string(file)) {
		t.Errorf("the log is %q", got)
	}
}

// lockedBuffer is written by the server's log and read by the test.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestManyStartAtOnceWithoutATemplate(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			srv, err := pgtest.Start(t.Context(), pgtest.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			ask(t, srv.AdminDSN(""), "select 'works'")
			stop(t, srv)
		})
	}
	group.Wait()
}

func TestAStartThatIsCancelledLeavesNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pgtest.Start(ctx, pgtest.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
