package handoff_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolkeeper/poolkeeper/pools/handoff"
)

func TestAConnectThatFailsBeforeItDialsLeavesTheConnectionToItsOwner(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	t.Run("its context has ended", func(t *testing.T) {
		t.Parallel()
		h, f := nobody(t)
		cfg := fakeConfig(t)
		h.Replay(cfg, refuseDial)
		if _, err := pgx.ConnectConfig(ended, cfg); !errors.Is(err, context.Canceled) {
			t.Errorf("connecting: %v", err)
		}
		stillOwned(t, h, f)
	})
	t.Run("a name cannot be looked up", func(t *testing.T) {
		t.Parallel()
		h, f := nobody(t)
		cfg := fakeConfig(t)
		h.Replay(cfg, refuseDial)
		cfg.LookupFunc = func(context.Context, string) ([]string, error) { return nil, net.UnknownNetworkError("x") }
		if _, err := pgx.ConnectConfig(t.Context(), cfg); err == nil {
			t.Error("connected")
		}
		stillOwned(t, h, f)
	})
	t.Run("the pool thinks better of it", func(t *testing.T) {
		t.Parallel()
		h, f := nobody(t)
		cfg, err := pgxpool.ParseConfig(fakeConfig(t).ConnString())
		if err != nil {
			t.Fatal(err)
		}
		sorry := errors.New("sorry")
		cfg.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error { h.Replay(c, refuseDial); return sorry }
		pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		if err := pool.Ping(t.Context()); !errors.Is(err, sorry) {
			t.Errorf("connecting: %v", err)
		}
		stillOwned(t, h, f)
	})
}

// stillOwned checks that the owner can hand the connection to somebody else,
// and close it.
func stillOwned(t *testing.T, h *handoff.Conn, f *fixed) {
	t.Helper()
	if h.Used() || f.closed.Load() {
		t.Fatal("it counts as used, or is closed")
	}
	if err := h.Close(); err != nil || !f.closed.Load() {
		t.Errorf("closing: %v", err)
	}
	if string(f.written()) != "X\x00\x00\x00\x04" {
		t.Errorf("the server was told % x", f.written())
	}
	if err := h.Close(); err != nil || len(f.written()) != 5 {
		t.Error("it was closed twice")
	}
	cfg := fakeConfig(t)
	h.Replay(cfg, refuseDial)
	if _, err := pgx.ConnectConfig(t.Context(), cfg); err == nil {
		t.Error("a closed connection was handed over")
	}
	if h.Used() {
		t.Error("a closed connection counts as used")
	}
}

func TestAConnectThatFailedCanBeFollowedByAnother(t *testing.T) {
	t.Parallel()
	h, _ := nobody(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	first := fakeConfig(t)
	h.Replay(first, refuseDial)
	if _, err := pgx.ConnectConfig(ended, first); err == nil || h.Used() {
		t.Fatal("connected")
	}
	second := fakeConfig(t)
	h.Replay(second, refuseDial)
	c := connect(t, second)
	if c.PgConn().PID() != 7 || !h.Used() {
		t.Error("another connection")
	}
	if _, err := pgx.ConnectConfig(t.Context(), first); err == nil {
		t.Error("one connection went to two owners")
	}
}

func TestOfACloseAndAConnectOneWins(t *testing.T) {
	t.Parallel()
	for range 200 {
		h, f := nobody(t)
		cfg := fakeConfig(t)
		h.Replay(cfg, refuseDial)
		var both sync.WaitGroup
		both.Go(func() { _ = h.Close() })
		c, err := pgx.ConnectConfig(t.Context(), cfg)
		both.Wait()
		if taken := err == nil; taken != h.Used() || taken == f.closed.Load() {
			t.Fatalf("connect: %v; used: %v; closed: %v", err, h.Used(), f.closed.Load())
		}
		if c != nil {
			_ = c.Close(t.Context())
		}
	}
}

func TestNothingIsDialedBeforeTheStartUpIsOver(t *testing.T) {
	t.Parallel()
	h, _ := nobody(t)
	cfg := fakeConfig(t)
	dials := 0
	h.Replay(cfg, func(context.Context, string, string) (net.Conn, error) { dials++; return nil, net.ErrClosed })
	c, err := cfg.DialFunc(t.Context(), "tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := cfg.DialFunc(t.Context(), "tcp", ""); err == nil || dials != 0 {
		t.Errorf("%d dials, %v: it would be a new connection that nobody counts", dials, again)
	}
	if _, err := c.Write(startupMessage(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if _, err := cfg.DialFunc(t.Context(), "tcp", ""); !errors.Is(err, net.ErrClosed) || dials != 1 {
		t.Errorf("%d dials, %v: a cancel request is not dialed", dials, err)
	}
}

func TestTakeRefusesWhatIsNotIdle(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, begin := range map[string]func(c *pgx.Conn){
		"in a transaction":        func(c *pgx.Conn) { exec(t, c, "BEGIN") },
		"in a failed transaction": func(c *pgx.Conn) { exec(t, c, "BEGIN"); _, _ = c.Exec(t.Context(), "nonsense") },
		"with unread rows": func(c *pgx.Conn) {
			c.PgConn().Exec(t.Context(), "SELECT generate_series(1, 100000)")
		},
		"in a pipeline": func(c *pgx.Conn) { c.PgConn().StartPipeline(t.Context()) },
		"closed":        func(c *pgx.Conn) { _ = c.Close(t.Context()) },
		"closed by the server": func(c *pgx.Conn) {
			s.admin(t, "SELECT pg_terminate_backend("+ask[string](t, c, "SELECT pg_backend_pid()::text")+", 5000)")
			_, _ = c.Exec(t.Context(), "SELECT 1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := &wire{}
			cfg := config(t, s.dsn())
			cfg.DialFunc = w.dial
			c := connect(t, cfg)
			begin(c)
			if _, err := handoff.Take(t.Context(), c); err == nil {
				t.Fatal("taken")
			}
			if !c.IsClosed() || !w.socket(0).closed.Load() {
				t.Error("the socket stays open")
			}
		})
	}
}

func TestTakeClosesWhatItCannotSynchronize(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, early := range []bool{true, false} {
		c, sock := held(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		if early {
			cancel()
		} else { // while it waits for the server
			sock.mu.Lock()
			sock.lose = cancel
			sock.mu.Unlock()
		}
		if _, err := handoff.Take(ctx, c); !errors.Is(err, context.Canceled) {
			t.Errorf("taking: %v", err)
		}
		if !sock.closed.Load() {
			t.Error("the socket stays open")
		}
		if !early {
			<-c.PgConn().CleanupDone()
		}
	}
}

func TestASecondTakeDoesNotDisturbTheFirst(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	from := connect(t, config(t, s.dsn()))
	h := take(t, from)
	if _, err := handoff.Take(t.Context(), from); err == nil {
		t.Error("taken twice")
	}
	cfg := config(t, s.dsn())
	h.Replay(cfg, plainDial)
	if got := ask[int](t, connect(t, cfg), "SELECT 1"); got != 1 {
		t.Error(got)
	}
}
