package integration_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
)

// syrup is a socket on which writing can be made slow.
type syrup struct {
	*net.TCPConn
	slow *atomic.Bool
}

func (s syrup) Write(b []byte) (int, error) {
	n, err := s.TCPConn.Write(b)
	if s.slow.Load() {
		<-time.After(100 * time.Millisecond) // pgx begins to read beside it after 15 ms
	}
	return n, err
}

// A machine without a moment for its writers has pgx read beside them, and
// that goes on after the answer until the server says more. Whoever then
// wanted to see whether the connection lives waited for that, for ever.
func TestAConnectionWithASlowWriteBehindItIsLentAgain(t *testing.T) {
	t.Parallel()
	var slow atomic.Bool
	f := newFleet(t, func(c *pools.Config) {
		c.MaxConns, c.SearchPathTail = 1, []string{"public"} // with a tail, the server is asked after each rest
		c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, network, addr)
			if tcp, ok := conn.(*net.TCPConn); ok {
				return syrup{tcp, &slow}, err
			}
			return conn, err
		}
	}, "own", "own")
	l := f.lease(t, "own-0")
	defer l.Release()
	for range 3 {
		lent := make(chan error, 1)
		go func() {
			c, err := l.Acquire(t.Context())
			if err == nil {
				c.Release() // unused, so that nothing is read any more
			}
			lent <- err
		}()
		select {
		case err := <-lent:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("it is waited for")
		}
		slow.Store(true)                      // from the next question on
		<-time.After(1100 * time.Millisecond) // it rests long enough to be looked at
	}
}
