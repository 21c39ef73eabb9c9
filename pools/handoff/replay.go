package handoff

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// replay is the connection as its new owner sees it. It plays the server
// until the start-up is over; then it is the connection.
type replay struct {
	net.Conn
	origin *origin

	swallowed atomic.Bool // the start-up message was written: writes go through
	answered  atomic.Bool // the answer was read: reads go through

	// mu guards what follows, which matters only while the start-up lasts. It
	// is held across no I/O.
	mu      sync.Mutex
	changed sync.Cond // for a Read that waits for the start-up message
	message startup
	answer  []byte    // what is unread of it
	readBy  time.Time // the deadlines
	writeBy time.Time
	closed  bool
}

func newReplay(h *Conn) *replay {
	r := &replay{Conn: h.conn, origin: h.origin, answer: h.answer}
	r.changed.L = &r.mu
	return r
}

// Write swallows the start-up message and writes whatever follows it.
func (r *replay) Write(b []byte) (int, error) {
	if r.swallowed.Load() {
		return r.Conn.Write(b)
	}
	n, err := r.swallow(b)
	if err != nil || n == len(b) {
		return n, err
	}
	written, err := r.Conn.Write(b[n:])
	return n + written, err
}

func (r *replay) swallow(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.refusal(r.writeBy); err != nil {
		return 0, err
	}
	n, err := r.message.swallow(b)
	if r.message.complete() {
		r.swallowed.Store(true)
		r.changed.Broadcast()
	}
	return n, err
}

// Read answers the start-up message, once that was written, and reads
// whatever follows the answer. It must not reach for the socket any earlier:
// pgx reads ahead in the background when it thinks that a write takes long.
func (r *replay) Read(b []byte) (int, error) {
	if r.answered.Load() {
		return r.Conn.Read(b)
	}
	n, err := r.recite(b)
	if n == 0 && err == nil && len(b) > 0 {
		return r.Conn.Read(b) // another Read had the rest of the answer
	}
	return n, err
}

func (r *replay) recite(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if err := r.refusal(r.readBy); err != nil {
			return 0, err
		}
		if r.swallowed.Load() {
			break
		}
		r.wait(r.readBy)
	}
	n := copy(b, r.answer)
	if r.answer = r.answer[n:]; len(r.answer) == 0 {
		r.answered.Store(true)
	}
	return n, nil
}

// refusal tells why an operation fails at once, as a socket would.
func (r *replay) refusal(by time.Time) error {
	switch {
	case r.closed:
		return net.ErrClosed
	case !by.IsZero() && !time.Now().Before(by):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// wait returns when something has changed or the time is over, and sometimes
// for no reason.
func (r *replay) wait(by time.Time) {
	if !by.IsZero() {
		defer time.AfterFunc(time.Until(by), r.wake).Stop()
	}
	r.changed.Wait()
}

func (r *replay) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed.Broadcast()
}

// Close closes the connection, and ends a Read that waits.
func (r *replay) Close() error {
	r.mu.Lock()
	r.closed = true
	r.changed.Broadcast()
	r.mu.Unlock()
	return r.Conn.Close()
}

// SetDeadline sets both deadlines.
func (r *replay) SetDeadline(t time.Time) error {
	r.limit(&r.readBy, &r.writeBy, t)
	return r.Conn.SetDeadline(t)
}

// SetReadDeadline is also for a Read that waits for the start-up message.
func (r *replay) SetReadDeadline(t time.Time) error {
	r.limit(&r.readBy, &r.readBy, t)
	return r.Conn.SetReadDeadline(t)
}

// SetWriteDeadline is for a start-up message too.
func (r *replay) SetWriteDeadline(t time.Time) error {
	r.limit(&r.writeBy, &r.writeBy, t)
	return r.Conn.SetWriteDeadline(t)
}

func (r *replay) limit(one, other *time.Time, t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*one, *other = t, t
	r.changed.Broadcast()
}
