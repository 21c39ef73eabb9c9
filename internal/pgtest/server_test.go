package pgtest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

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
