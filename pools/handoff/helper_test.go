package handoff_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/pools/handoff"
)

// server is what a test uses of the shared server: a database and a login.
type server struct {
	*pgtest.Server
	database, login string
}

const password = "pw"

func newServer(t testing.TB) *server {
	t.Helper()
	s := &server{Server: pgtest.Shared()}
	s.database = s.Database(t)
	s.login = s.database + "_app"
	s.admin(t, "CREATE ROLE "+s.login+" LOGIN PASSWORD '"+password+"'")
	t.Cleanup(func() { s.admin(t, "DROP OWNED BY "+s.login, "DROP ROLE "+s.login) })
	return s
}

// admin runs statements as the superuser.
func (s *server) admin(t testing.TB, statements ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, s.AdminDSN(s.database))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	for _, sql := range statements {
		if _, err := c.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// dsn returns a connection string for the login with further parameters, such
// as "sslmode=require".
func (s *server) dsn(parameters ...string) string {
	q := url.Values{"sslmode": {"disable"}}
	for _, p := range parameters {
		more, err := url.ParseQuery(p)
		if err != nil {
			panic(err)
		}
		maps.Copy(q, more)
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(s.login, password),
		Host: "127.0.0.1:" + strconv.Itoa(s.Port()), Path: "/" + s.database, RawQuery: q.Encode(),
	}
	return u.String()
}

// config parses a connection string.
func config(t testing.TB, dsn string) *pgx.ConnConfig {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// connect opens a new connection, which is closed when the test ends, unless
// it was taken.
func connect(t testing.TB, cfg *pgx.ConnConfig) *pgx.Conn {
	t.Helper()
	c, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	return c
}

// take takes the connection out of c; it is closed when the test ends, unless
// a connect took it on.
func take(t testing.TB, c *pgx.Conn) *handoff.Conn {
	t.Helper()
	h, err := handoff.Take(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// hand gives the connection in c to a connect by cfg.
func hand(t testing.TB, c *pgx.Conn, cfg *pgx.ConnConfig) *pgx.Conn {
	t.Helper()
	h := take(t, c)
	h.Replay(cfg, plainDial)
	to := connect(t, cfg)
	if !h.Used() {
		t.Fatal("the connect did not take the connection")
	}
	return to
}

func plainDial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// querier is a connection or a pool.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

var (
	_ querier = (*pgx.Conn)(nil)
	_ querier = (*pgxpool.Pool)(nil)
)

// ask returns the one value that a query yields.
func ask[T any](t testing.TB, q querier, sql string, args ...any) T {
	t.Helper()
	var v T
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := q.QueryRow(ctx, sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func exec(t testing.TB, c *pgx.Conn, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := c.Exec(ctx, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// hasCode reports whether err is the server's, of the code.
func hasCode(err error, code string) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == code
}

// wire is a dialer that keeps what was written on each of its sockets.
type wire struct {
	mu      sync.Mutex
	sockets []*tapped
}

type tapped struct {
	net.Conn
	mu     sync.Mutex
	wrote  []byte
	closed atomic.Bool
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := plainDial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	tap := &tapped{Conn: c}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sockets = append(w.sockets, tap)
	return tap, nil
}

// count is how many sockets were dialed.
func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sockets)
}

// socket returns the nth socket.
func (w *wire) socket(n int) *tapped {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sockets[n]
}

func (c *tapped) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.wrote = append(c.wrote, b...)
	c.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *tapped) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

// written returns what was written so far.
func (c *tapped) written() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]byte(nil), c.wrote...)
}
