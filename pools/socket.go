package pools

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
)

// socket is one connection to a server as the keeper sees it: registered
// with its entry while it is open, and able to say whether its peer lives.
type socket struct {
	net.Conn
	entry   *entry
	session atomic.Pointer[session]
	counted atomic.Bool   // it became a connection of the pool, and was observed as such
	writes  atomic.Uint64 // grows with every write: an unused session needs no reset
	why     atomic.Pointer[string]
	once    sync.Once
}

// Write counts, then writes.
func (s *socket) Write(b []byte) (int, error) {
	s.writes.Add(1)
	return s.Conn.Write(b)
}

// Close closes the socket and takes it off its entry's list.
func (s *socket) Close() error {
	err := s.Conn.Close()
	s.once.Do(func() {
		s.entry.disown(s)
		if s.counted.Load() {
			s.entry.connClosed(s.reasonClosed())
		}
	})
	return err
}

// because notes why the socket is about to be closed; the first word counts.
func (s *socket) because(why string) { s.why.CompareAndSwap(nil, &why) }

func (s *socket) closedByUs() bool { return s.why.Load() != nil }

func (s *socket) reasonClosed() string {
	if why := s.why.Load(); why != nil {
		return *why
	}
	return ""
}

// abort closes the socket under whoever uses it, and takes the connection
// away from its holder, so that its pool can close without waiting for them.
func (s *socket) abort() {
	s.because("cut")
	_ = s.Close() // the peer may have been first
	if session := s.session.Load(); session != nil {
		if holder := session.holder.Load(); holder != nil {
			holder.seize()
		}
	}
}

// connClosed tells the Observer; a pool that closes gives its own reason to
// connections that have none.
func (e *entry) connClosed(why string) {
	k := e.keeper
	if why == "" {
		why = "lost"
		k.mu.Lock()
		if e.reason != "" {
			why = string(e.reason)
		}
		k.mu.Unlock()
	}
	k.observed(func(o Observer) { o.ConnChanged(e.tenant.ID, e.tenant.Cluster, EventClosed, why) })
}

// peek looks at the socket without taking anything off it or waiting: quiet
// means that it is open and has nothing to say. A connection that cannot be
// peeked at counts as one that has something to say.
func (s *socket) peek() (quiet bool, err error) { return peekConn(s.Conn) }

// socketOf finds the keeper's socket below TLS.
func socketOf(c net.Conn) *socket {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	s, _ := c.(*socket)
	return s
}
