package integration_test

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"testing"
)

// sockets opens sockets and counts them on this side, where those that have
// not logged in yet can be seen too. Cancel requests take no connection of the
// server's, and are not counted.
type sockets struct {
	mu                  sync.Mutex
	open, most, dialled int
}

type countedSocket struct {
	*net.TCPConn
	of      *sockets
	counted bool // guarded by of.mu
	closed  bool // likewise
	written bool // for whoever writes
}

func (s *sockets) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &countedSocket{TCPConn: c.(*net.TCPConn), of: s}, nil
}

// cancelRequest is the number that tells the message from a start-up.
const cancelRequest = 80877102

// Write counts the socket when what it is for is known.
func (c *countedSocket) Write(b []byte) (int, error) {
	if !c.written {
		c.written = true
		if len(b) < 8 || binary.BigEndian.Uint32(b[4:]) != cancelRequest {
			c.of.count(c)
		}
	}
	return c.TCPConn.Write(b)
}

func (s *sockets) count(c *countedSocket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialled++
	if !c.closed {
		c.counted = true
		s.open++
		s.most = max(s.most, s.open)
	}
}

func (c *countedSocket) Close() error {
	err := c.TCPConn.Close()
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.counted && !c.closed {
		c.of.open--
	}
	c.closed = true
	return err
}

// dials is how often it has dialled.
func (s *sockets) dials() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialled
}

// within fails if there were ever more sockets than the budget.
func (s *sockets) within(t *testing.T, budget int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Logf("%d dials, at most %d of %d sockets open at once", s.dialled, s.most, budget)
	if s.most > budget {
		t.Errorf("%d sockets were open at once, the budget is %d", s.most, budget)
	}
}
