package pgtest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// TB is what a test gives; testing.TB is one.
type TB interface {
	Helper()
	Cleanup(fn func())
	Fatalf(format string, args ...any)
	Name() string
	Context() context.Context
}

// binary holds the server of a test binary: written by Main before the tests
// run and after they have.
//
//nolint:gochecknoglobals // TestMain and the tests have no other place in common
var binary atomic.Pointer[Server]

// testSettings make a server quick and careless: its data does not outlive the
// test binary, nor a crash of the machine.
func testSettings() Settings {
	return Settings{
		"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
		"max_connections": "200", "max_wal_size": "256MB",
	}
}

// Settings are what postgres is given, by name: {"max_connections": "60"}.
type Settings map[string]string

// StartWith starts a server for one test, with these settings besides those of
// a test server, and stops it when the test ends. {"ssl": "on"} is enough for
// TLS; see [Server.TLSDSN].
func StartWith(t TB, settings Settings) *Server {
	t.Helper()
	all := testSettings()
	maps.Copy(all, settings)
	srv, err := Start(t.Context(), Options{Settings: all})
	if err != nil {
		t.Fatalf("pgtest: a server for %s: %v", t.Name(), err)
	}
	t.Cleanup(func() {
		ctx, cancel := background(time.Minute)
		defer cancel()
		if err := srv.Stop(ctx); err != nil {
			t.Fatalf("pgtest: stopping the server of %s: %v", t.Name(), err)
		}
	})
	return srv
}

// Main starts a server, runs the tests of a binary, which find it with
// [Shared], stops it, and returns the exit code. m is the *testing.M. The
// server does not sync its writes and takes 200 connections, where o does not
// say otherwise; an embedded build is fetched into the user's cache folder
// where no PostgreSQL is found.
func Main(m interface{ Run() int }, o Options) int {
	settings := testSettings()
	maps.Copy(settings, o.Settings)
	o.Settings = settings
	if cache, err := os.UserCacheDir(); err == nil && o.Cache == "" {
		o.Cache = filepath.Join(cache, "poolkeeper", "postgresql")
	}
	srv, err := startShared(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binary.Store(srv)
	code := m.Run()
	binary.Store(nil)
	ctx, cancel := background(30 * time.Second)
	defer cancel()
	if err := srv.Stop(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

func startShared(o Options) (*Server, error) {
	ctx, cancel := background(5 * time.Minute) // it may have to fetch
	defer cancel()
	return Start(ctx, o)
}

// background is for what belongs to the test binary rather than to one test:
// a test's own context has ended when its cleanup runs.
func background(limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}

// Shared returns the server that [Main] started. It panics when the binary's
// TestMain does not call Main.
func Shared() *Server {
	srv := binary.Load()
	if srv == nil {
		panic("pgtest: Shared needs a TestMain that calls pgtest.Main")
	}
	return srv
}

// Database makes an empty database for one test, owned by the superuser, and
// returns its name. It is dropped when the test ends, with whatever is still
// connected. Roles that the test makes belong to the whole server and stay.
func (s *Server) Database(t TB) string {
	t.Helper()
	name := "test_" + strconv.FormatInt(s.databases.Add(1), 10)
	if err := s.run(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("pgtest: making a database for %s: %v", t.Name(), err)
	}
	t.Cleanup(func() {
		ctx, cancel := background(time.Minute)
		defer cancel()
		if err := s.run(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Fatalf("pgtest: dropping the database of %s: %v", t.Name(), err)
		}
	})
	return name
}

// HasExtension reports whether the installation that the server runs from has
// the files of an extension, so that CREATE EXTENSION would find it.
func (s *Server) HasExtension(t TB, name string) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.AdminDSN(""))
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var has bool
	err = conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = $1)", name).Scan(&has)
	if err != nil {
		t.Fatalf("pgtest: looking for the extension %s: %v", name, err)
	}
	return has
}

// run runs one statement as the superuser.
func (s *Server) run(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, s.AdminDSN(""))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	_ = conn.Close(ctx)
	return err
}
