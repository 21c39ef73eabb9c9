package poolstest

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A net.Pipe has no buffer: a peer that writes before the other reads hangs,
// which a kernel's socket does not. This pipe buffers without bound, honours
// deadlines, and is made of channels and timers only, so that it runs inside
// a synctest bubble.

type half struct {
	mu       sync.Mutex
	buf      bytes.Buffer
	closed   bool
	deadline time.Time
	changed  chan struct{} // closed and replaced when anything above changes
	done     chan struct{} // closed with the half
}

func newHalf() *half { return &half{changed: make(chan struct{}), done: make(chan struct{})} }

func (h *half) signalLocked() {
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *half) read(b []byte) (int, error) {
	for {
		h.mu.Lock()
		if h.buf.Len() > 0 {
			n, _ := h.buf.Read(b)
			h.mu.Unlock()
			return n, nil
		}
		closed, deadline, changed := h.closed, h.deadline, h.changed
		h.mu.Unlock()
		if closed {
			return 0, io.EOF
		}
		if !wait(changed, deadline) {
			return 0, os.ErrDeadlineExceeded
		}
	}
}

func wait(changed <-chan struct{}, deadline time.Time) bool {
	if deadline.IsZero() {
		<-changed
		return true
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-changed:
		return true
	case <-timer.C:
		return false
	}
}

func (h *half) write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return 0, io.ErrClosedPipe
	}
	h.signalLocked()
	return h.buf.Write(b)
}

func (h *half) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed = true
		close(h.done)
		h.signalLocked()
	}
}

func (h *half) setDeadline(t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deadline = t
	h.signalLocked()
}

// end is one end of the pipe, a net.Conn.
type end struct{ in, out *half }

func newPipe() (client, server *end) {
	up, down := newHalf(), newHalf()
	return &end{in: down, out: up}, &end{in: up, out: down}
}

func (e *end) Read(b []byte) (int, error)  { return e.in.read(b) }
func (e *end) Write(b []byte) (int, error) { return e.out.write(b) }

func (e *end) Close() error {
	e.in.close()
	e.out.close()
	return nil
}

// CloseWrite ends what this end says; the other may go on.
func (e *end) CloseWrite() error {
	e.out.close()
	return nil
}

func (e *end) LocalAddr() net.Addr                { return addr{} }
func (e *end) RemoteAddr() net.Addr               { return addr{} }
func (e *end) SetDeadline(t time.Time) error      { return e.SetReadDeadline(t) }
func (e *end) SetReadDeadline(t time.Time) error  { e.in.setDeadline(t); return nil }
func (e *end) SetWriteDeadline(_ time.Time) error { return nil }

type addr struct{}

func (addr) Network() string { return "tcp" }
func (addr) String() string  { return "127.0.0.1:5432" }
