package handoff_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func port(s *server) string { return strconv.Itoa(s.Port()) }

// cancelled runs a long statement on c and has c cancel it.
func cancelled(t *testing.T, s *server, c *pgx.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	pg := c.PgConn()
	ended := make(chan error, 1)
	go func() { ended <- pg.Exec(ctx, "SELECT pg_sleep(600)").Close() }()
	s.awaitSleep(t, pg.PID())
	if err := pg.CancelRequest(ctx); err != nil {
		t.Errorf("cancel request: %v", err)
	}
	if err := <-ended; !hasCode(err, "57014") {
		t.Errorf("the statement ended with %v", err)
	}
}

// awaitSleep returns when the process has come to pg_sleep.
func (s *server) awaitSleep(t *testing.T, pid uint32) {
	t.Helper()
	watch := connect(t, config(t, s.AdminDSN("")))
	for !ask[bool](t, watch, "SELECT coalesce((SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $1), false)", pid) {
		if t.Context().Err() != nil {
			t.Fatal("no statement began")
		}
	}
}

func TestACancelRequestReachesTheSessionAfterHandoffs(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := connect(t, config(t, s.dsn()))
	for range 2 {
		c = hand(t, c, config(t, s.dsn()))
		cancelled(t, s, c)
	}
}

func TestALongCancelKeySurvives(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, receiver := range []string{"max_protocol_version=3.2", "max_protocol_version=3.0"} {
		from := connect(t, config(t, s.dsn("max_protocol_version=3.2")))
		key := len(from.PgConn().SecretKey())
		if long := key > 4; long != (s.Version() >= 18) {
			t.Errorf("PostgreSQL %d gave a key of %d bytes", s.Version(), key)
		}
		cancelled(t, s, hand(t, from, config(t, s.dsn(receiver))))
	}
}

// cancelCode is what tells a cancel request.
var cancelCode = []byte{0x04, 0xd2, 0x16, 0x2e}

func TestACancelRequestNeverTravelsInClear(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	verify := "sslmode=verify-full&sslrootcert=" + certificate
	kinds := map[string]string{
		"required": "sslmode=require", "verified": verify,
		"with a certificate":    verify + "&sslcertmode=require&sslcert=" + certificate + "&sslkey=" + certificateKey,
		"without a certificate": verify + "&sslcertmode=disable&sslcert=" + certificate + "&sslkey=" + certificateKey,
	}
	if s.Version() >= 17 {
		kinds["direct"] = "sslmode=require&sslnegotiation=direct"
	}
	for name, parameters := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &wire{}
			c := connect(t, config(t, s.dsn(parameters)))
			key := c.PgConn().SecretKey()
			for range 3 {
				h := take(t, c)
				cfg := config(t, s.dsn(parameters))
				h.Replay(cfg, w.dial)
				c = connect(t, cfg)
			}
			if w.count() != 0 {
				t.Error("a connect dialed")
			}
			cancelled(t, s, c)
			if w.count() != 1 {
				t.Fatalf("%d dials", w.count())
			}
			sent := w.socket(0).written()
			if bytes.Contains(sent, cancelCode) || bytes.Contains(sent, key) {
				t.Error("the cancel key went out in clear")
			}
			if direct := sent[0] == 0x16; direct != (name == "direct") { // a TLS handshake
				t.Errorf("the first bytes were % x", sent[:8])
			}
			if !w.socket(0).closed.Load() {
				t.Error("the socket stays open")
			}
		})
	}
}

func TestWithoutTLSACancelRequestIsSentAsItIs(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	w := &wire{}
	h := take(t, connect(t, config(t, s.dsn())))
	cfg := config(t, s.dsn())
	h.Replay(cfg, w.dial)
	cancelled(t, s, connect(t, cfg))
	if w.count() != 1 || !bytes.Contains(w.socket(0).written(), cancelCode) {
		t.Error("the recording dialer did not see it, and proves nothing elsewhere")
	}
}

func TestAServerThatIsAnotherByNowGetsNoCancelKey(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, answer := range map[string][]byte{
		"refuses TLS": {'N'}, "says nonsense": {'E'}, "goes away": nil, "has no certificate": {'S', 0x15, 3, 3, 0, 2, 2, 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fixed{answer: answer}
			h := take(t, connect(t, config(t, s.dsn("sslmode=require"))))
			cfg := config(t, s.dsn())
			h.Replay(cfg, f.dial)
			to := connect(t, cfg)
			if err := to.PgConn().CancelRequest(t.Context()); err == nil {
				t.Error("it was sent")
			}
			if bytes.Contains(f.written(), cancelCode) || !f.closed.Load() {
				t.Error("the key went out, or the socket stays open")
			}
			if agreed := len(answer) > 0 && answer[0] == 'S'; !agreed && len(f.written()) != 8 {
				t.Errorf("after its answer it was told % x", f.written()[8:])
			}
		})
	}
}

func TestACancelRequestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, answer := range [][]byte{nil, {'S'}} {
		f := &fixed{answer: answer, stays: true}
		h := take(t, connect(t, config(t, s.dsn("sslmode=require"))))
		cfg := config(t, s.dsn())
		h.Replay(cfg, f.dial)
		to := connect(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		f.starved = cancel // when the answer is over
		if err := to.PgConn().CancelRequest(ctx); err == nil {
			t.Error("it was sent")
		}
		if !f.closed.Load() {
			t.Error("the socket stays open")
		}
	}
}

func TestTheTLSOfTheOriginalIsStillThere(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	to := hand(t, connect(t, config(t, s.dsn("sslmode=require"))), config(t, s.dsn("sslmode=require")))
	if !ask[bool](t, to, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") {
		t.Error("the server sees no TLS")
	}
}

// front answers one cancel request under TLS, and tells how many
// certificates its sender showed.
func front(t *testing.T, c net.Conn) int {
	t.Helper()
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, 8)); err != nil { // SSLRequest
		t.Error(err)
	}
	if _, err := c.Write([]byte{'S'}); err != nil {
		t.Error(err)
	}
	pair, err := tls.LoadX509KeyPair(certificate, certificateKey)
	if err != nil {
		t.Error(err)
	}
	secure := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert})
	request := make([]byte, 8)
	if _, err := io.ReadFull(secure, request); err != nil || !bytes.Equal(request[4:], cancelCode) {
		t.Errorf("request % x, %v", request, err)
	}
	return len(secure.ConnectionState().PeerCertificates)
}

func TestACancelRequestShowsTheCertificateThatTheConnectionShowed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	verify := "sslmode=verify-full&sslrootcert=" + certificate + "&sslcert=" + certificate + "&sslkey=" + certificateKey
	for mode, want := range map[string]int{"disable": 0, "allow": 1, "require": 1} {
		opened := config(t, s.dsn(verify))
		opened.SSLCertMode = mode
		h := take(t, connect(t, opened))
		ours, theirs := net.Pipe()
		cfg := config(t, s.dsn(verify))
		h.Replay(cfg, func(context.Context, string, string) (net.Conn, error) { return ours, nil })
		to := connect(t, cfg)
		shown := make(chan int, 1)
		go func() { shown <- front(t, theirs) }()
		if err := to.PgConn().CancelRequest(t.Context()); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		if got := <-shown; got != want {
			t.Errorf("%s: %d certificates were shown", mode, got)
		}
	}
}
