// Package storetest starts a Redis server of a test's own.
package storetest

import (
	"context"
	"net"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience is how long a server may take to start or to stop.
const patience = 20 * time.Second

// Server is a redis-server, or a valkey-server, on a free port.
type Server struct {
	binary  string
	options []string
	addr    string
	cmd     *exec.Cmd // nil while it does not run
}

// Start starts a server that ends with the test, with further options on its
// command line. A machine that has none fails the test: whoever sets the tag
// means it.
func Start(t testing.TB, options ...string) *Server {
	t.Helper()
	s := &Server{options: options}
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			s.binary = path
			break
		}
	}
	if s.binary == "" {
		t.Fatal("there is neither redis-server nor valkey-server; install one, or leave out the tag redis")
	}
	port, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = port.Addr().String()
	_ = port.Close() // the server takes it
	s.Start(t)
	t.Cleanup(s.Stop)
	return s
}

// URL reaches the server.
func (s *Server) URL() string { return "redis://" + s.addr + "/0" }

// Addr is its host and port.
func (s *Server) Addr() string { return s.addr }

// Client asks the server, until the test ends.
func (s *Server) Client(t testing.TB) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.addr, Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Start starts it again, empty, at the same address, and waits until it
// answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir()}, s.options...)
	s.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), s.binary, args...) //nolint:gosec // the binary that Start found
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	client := s.Client(t)
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for client.Ping(t.Context()).Err() != nil {
		if time.Now().After(deadline) {
			t.Fatal(s.binary + " does not answer on port " + strconv.Quote(port))
		}
		<-tick.C
	}
}

// Stop kills it.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill() // it may have ended by itself
	_ = s.cmd.Wait()         // it was killed
	s.cmd = nil
}
