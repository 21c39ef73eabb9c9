package handoff_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// slow is a connection whose armed Write returns only after a number of reads
// were begun, which pgx's background reader does when it thinks that the
// write is stuck. So the test needs no clock.
type slow struct {
	*tapped
	mu    sync.Mutex
	begun sync.Cond
	reads int
	armed int    // how many reads the next write waits for
	lose  func() // when set, writes are lost, and this is told
}

func newSlow(c net.Conn) *slow {
	s := &slow{tapped: &tapped{Conn: c}}
	s.begun.L = &s.mu
	return s
}

func (s *slow) arm(reads int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads, s.armed = 0, reads
}

func (s *slow) Read(b []byte) (int, error) {
	s.mu.Lock()
	s.reads++
	s.begun.Broadcast()
	s.mu.Unlock()
	return s.tapped.Read(b)
}

func (s *slow) Write(b []byte) (int, error) {
	s.mu.Lock()
	armed, lose := s.armed, s.lose
	s.armed = 0
	s.mu.Unlock()
	if lose != nil {
		lose()
		return len(b), nil
	}
	if armed == 1 { // the reader is to come before the bytes
		s.await(armed)
	}
	n, err := s.tapped.Write(b)
	if armed > 1 { // the reader is to come back for more
		s.await(armed)
	}
	return n, err
}

func (s *slow) await(reads int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.reads < reads {
		s.begun.Wait()
	}
}

// held returns a connection whose background reader holds the socket: it
// reads ahead of whoever writes next.
func held(t *testing.T, s *server) (*pgx.Conn, *slow) {
	t.Helper()
	var sock *slow
	cfg := config(t, s.dsn())
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := plainDial(ctx, network, address)
		if err != nil || sock != nil {
			return c, err // of a cancel request
		}
		sock = newSlow(c)
		return sock, nil
	}
	c := connect(t, cfg)
	sock.arm(2) // one read gets the answer, the next one waits for what comes
	exec(t, c, "-- nothing")
	return c, sock
}

func TestABackgroundReaderOfTheOldOwnerDoesNotStealFromTheNewOne(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c, _ := held(t, s)
	to := hand(t, c, config(t, s.dsn()))
	for range 3 {
		if got := ask[int](t, to, "SELECT 1"); got != 1 {
			t.Error(got)
		}
	}
}

func TestABackgroundReaderOfTheNewOwnerWaitsForTheStartUp(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	h := take(t, connect(t, config(t, s.dsn())))
	cfg := config(t, s.dsn())
	h.Replay(cfg, plainDial)
	dial := cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		sock := newSlow(c)
		sock.arm(1)
		return sock, nil
	}
	to := connect(t, cfg)
	if got := ask[int](t, to, "SELECT 1"); got != 1 {
		t.Error(got)
	}
}

// crumbs writes byte by byte.
type crumbs struct{ io.Writer }

func (c crumbs) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := c.Writer.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

func TestAStartUpMessageMayComeInPieces(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	cfg := config(t, s.dsn())
	cfg.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend { return pgproto3.NewFrontend(r, crumbs{w}) }
	to := hand(t, connect(t, config(t, s.dsn())), cfg)
	if got := ask[int](t, to, "SELECT $1::int", 1); got != 1 {
		t.Error(got)
	}
}

func TestNoticesLeftUnreadDoNotGetInTheWay(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	from := connect(t, config(t, s.dsn()))
	exec(t, from, "LISTEN news")
	told := connect(t, config(t, s.dsn()))
	for range 20 {
		if _, err := told.Exec(t.Context(), "SELECT pg_notify('news', repeat('x', 7000) || $1)", time.Now().String()); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, from, "DO $$ BEGIN RAISE NOTICE '%', repeat('y', 100000); END $$")
	var late []string
	cfg := config(t, s.dsn())
	cfg.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { late = append(late, n.Payload) }
	to := hand(t, from, cfg)
	if _, err := told.Exec(t.Context(), "SELECT pg_notify('news', 'late')"); err != nil {
		t.Fatal(err)
	}
	exec(t, to, "UNLISTEN *")
	exec(t, to, "-- what came before UNLISTEN was answered has been read")
	if got := ask[string](t, to, "SELECT repeat('z', 50000)"); len(got) != 50000 {
		t.Error(len(got))
	}
	if strings.Join(late, " ") != "late" {
		t.Errorf("%d notifications came to the new owner", len(late))
	}
}
