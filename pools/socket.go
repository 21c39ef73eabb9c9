package pools

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/poolkeeper/poolkeeper/pools/handoff"
)

// socket is one connection to a server as the keeper sees it: registered
// with its entry while it is open, holding a permit until the server's side
// is gone, and able to say whether its peer lives. On a handoff it moves to
// another entry.
type socket struct {
	net.Conn
	keeper  *Keeper
	permit  *permit
	born    int64 // in nanoseconds since the keeper's epoch
	entry   atomic.Pointer[entry]
	session atomic.Pointer[session]
	counted atomic.Bool   // it became a connection of the pool, and was observed as such
	writes  atomic.Uint64 // grows with every write: an unused session needs no reset
	why     atomic.Pointer[string]
	once    sync.Once
	gone    chan struct{} // closed when the server's side is gone too, or lingered for too long
	ended   atomic.Bool   // it is gone

	reading sync.Mutex // held while somebody reads
	limits  sync.Mutex // guards the deadlines, and closing when it is written
	closing atomic.Bool
}

// Write counts, then writes.
func (s *socket) Write(b []byte) (int, error) {
	s.writes.Add(1)
	return s.Conn.Write(b)
}

// Read reads, until the socket is closed.
func (s *socket) Read(b []byte) (int, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.closing.Load() {
		return 0, net.ErrClosed
	}
	n, err := s.Conn.Read(b)
	if err != nil && s.closing.Load() {
		err = net.ErrClosed
	}
	return n, err
}

// Close takes the socket off its entry's list and ends this side of it; the
// rest happens off the caller's path. The permit is dropped when the server
// has closed its side, which it does when its process has ended: until then
// it counts against the server's connections.
func (s *socket) Close() error {
	s.once.Do(func() {
		s.limits.Lock()
		s.closing.Store(true)
		_ = s.Conn.SetDeadline(time.Unix(1, 0)) // whoever reads or writes stops
		s.limits.Unlock()
		s.move(nil)
		s.keeper.workers.Go(s.linger)
	})
	return nil
}

// SetDeadline, like the other two, has no say any more once the socket is
// closed: how long it lingers is nobody else's business.
func (s *socket) SetDeadline(t time.Time) error { return s.limit(t, s.Conn.SetDeadline) }

// SetReadDeadline limits reading.
func (s *socket) SetReadDeadline(t time.Time) error { return s.limit(t, s.Conn.SetReadDeadline) }

// SetWriteDeadline limits writing.
func (s *socket) SetWriteDeadline(t time.Time) error { return s.limit(t, s.Conn.SetWriteDeadline) }

func (s *socket) limit(t time.Time, set func(time.Time) error) error {
	s.limits.Lock()
	defer s.limits.Unlock()
	if s.closing.Load() {
		return net.ErrClosed
	}
	return set(t)
}

// move puts the socket into another entry's keeping, nil for none. It reports
// false, and leaves the socket where it is, when either cuts its connections.
func (s *socket) move(to *entry) bool {
	from := s.entry.Load()
	switch {
	case from == nil: // an errand's
		return true
	case to == nil:
		from.disown(s)
	case !from.part(s):
		return false
	}
	if s.counted.Swap(false) {
		from.connClosed(s.reasonClosed())
	}
	if to == nil {
		return true
	}
	s.why.Store(nil)
	s.session.Store(nil)
	s.entry.Store(to)
	return to.adopt(s)
}

// linger reads to the end of what the server has to say.
func (s *socket) linger() {
	defer close(s.gone)
	defer s.permit.drop()
	defer s.Conn.Close() //nolint:errcheck // both sides are done with it
	s.reading.Lock()     // the last reader has left, and whoever comes now is turned away
	s.reading.Unlock()   //nolint:staticcheck // there is nothing to do in between
	half, ok := s.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = s.Conn.SetReadDeadline(time.Now().Add(s.keeper.lingerFor())) // a dead socket fails the read
	hurry := context.AfterFunc(s.keeper.lifetime, func() { _ = s.Conn.SetReadDeadline(time.Now().Add(lingerAtClose)) })
	defer hurry()
	_, err := io.Copy(io.Discard, s.Conn) // its end is what was wanted
	s.ended.Store(err == nil)
}

// lingerAtClose is lingerFor when the keeper closes: not long at all.
const lingerAtClose = time.Second

// lingerFor bounds how long a server may take to end a session that was
// closed: longer than reap needs.
func (k *Keeper) lingerFor() time.Duration {
	if k.lifetime.Err() != nil {
		return lingerAtClose
	}
	return 2*k.cfg.ConnectTimeout + k.cfg.CancelTimeout
}

// because notes why the socket is about to be closed; the first word counts.
func (s *socket) because(why string) {
	if why != "" {
		s.why.CompareAndSwap(nil, &why)
	}
}

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
// peeked at counts as one that has something to say. So does one that somebody
// reads: pgx begins to when a write takes long, and goes on until the server
// says something, which to an idle session may be never.
func (s *socket) peek() (quiet bool, err error) {
	if !s.reading.TryLock() {
		return false, nil
	}
	defer s.reading.Unlock()
	return peekConn(s.Conn)
}

// socketOf finds the keeper's socket below TLS and a replayed start-up.
func socketOf(c net.Conn) *socket {
	c = handoff.Below(c)
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	s, _ := c.(*socket)
	return s
}
