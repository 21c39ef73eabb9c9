package handoff_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/poolkeeper/poolkeeper/pools/handoff"
)

// fixed is a net.Conn that reads as a fixed answer and keeps what is written
// on it. After the answer it is at its end, or stays silent.
type fixed struct {
	net.Conn // none: whatever is not below panics

	answer  []byte
	stays   bool
	starved func() // told when a Read finds nothing, on a connection that stays

	closed   atomic.Bool
	mu       sync.Mutex
	wrote    []byte
	silence  chan struct{} // closed to end the Read that waits
	deadline time.Time
}

func (f *fixed) dial(context.Context, string, string) (net.Conn, error) { return f, nil }

func (f *fixed) Read(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := copy(b, f.answer)
	f.answer = f.answer[n:]
	if n > 0 {
		return n, nil
	}
	if !f.stays || f.closed.Load() {
		return 0, io.EOF
	}
	f.silence = make(chan struct{})
	if f.starved != nil {
		go f.starved()
	}
	silence := f.silence
	f.mu.Unlock()
	<-silence
	f.mu.Lock()
	if n = copy(b, f.answer); n > 0 {
		f.answer = f.answer[n:]
		return n, nil
	}
	return 0, os.ErrDeadlineExceeded
}

// pong is the answer to the driver's ping. It sends one to get at a connection
// whose start-up took long to write, as it may on a loaded machine.
var pong = []byte("I\x00\x00\x00\x04Z\x00\x00\x00\x05I")

func (f *fixed) Write(b []byte) (int, error) {
	f.mu.Lock()
	f.wrote = append(f.wrote, b...)
	pinged := f.stays && bytes.Contains(b, []byte("-- ping"))
	if pinged {
		f.answer = append(f.answer, pong...)
	}
	f.mu.Unlock()
	if pinged {
		f.interrupt()
	}
	return len(b), nil
}

func (f *fixed) written() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]byte(nil), f.wrote...)
}

func (f *fixed) interrupt() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.silence != nil {
		close(f.silence)
		f.silence = nil
	}
}

func (f *fixed) SetDeadline(t time.Time) error {
	f.mu.Lock()
	f.deadline = t
	f.mu.Unlock()
	if !t.IsZero() {
		f.interrupt()
	}
	return nil
}

func (f *fixed) SetReadDeadline(t time.Time) error  { return f.SetDeadline(t) }
func (f *fixed) SetWriteDeadline(t time.Time) error { return f.SetDeadline(t) }
func (f *fixed) RemoteAddr() net.Addr               { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5432} }

func (f *fixed) Close() error {
	f.closed.Store(true)
	f.interrupt()
	return nil
}

// greeting is what a server says to a start-up message.
func greeting(t testing.TB) []byte {
	t.Helper()
	var b []byte
	for _, m := range []pgproto3.BackendMessage{
		&pgproto3.AuthenticationOk{},
		&pgproto3.ParameterStatus{Name: "server_version", Value: "18.0"},
		&pgproto3.BackendKeyData{ProcessID: 7, SecretKey: []byte("secret")},
		&pgproto3.ReadyForQuery{TxStatus: 'I'},
	} {
		var err error
		if b, err = m.Encode(b); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// nobody is a connection that waits for its next owner, on a server that says
// no more than its greeting.
func nobody(t testing.TB) (*handoff.Conn, *fixed) {
	t.Helper()
	f := &fixed{answer: greeting(t), stays: true}
	t.Cleanup(func() { _ = f.Close() }) // for the driver's reader, if it has begun one
	cfg := fakeConfig(t)
	cfg.DialFunc = f.dial
	c, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	h, err := handoff.Take(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.wrote = nil
	f.mu.Unlock()
	return h, f
}

func fakeConfig(t testing.TB) *pgx.ConnConfig {
	t.Helper()
	return config(t, "postgres://u:p@192.0.2.1/d?sslmode=disable")
}

// replayed is the net.Conn that a connect by the configuration would get.
func replayed(t testing.TB, h *handoff.Conn) net.Conn {
	t.Helper()
	cfg := fakeConfig(t)
	h.Replay(cfg, refuseDial)
	c, err := cfg.DialFunc(t.Context(), "tcp", "192.0.2.1:5432")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func refuseDial(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }

// startupMessage is what pgx writes first.
func startupMessage(t testing.TB) []byte {
	t.Helper()
	b, err := (&pgproto3.StartupMessage{
		ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "u", "database": "d"},
	}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
