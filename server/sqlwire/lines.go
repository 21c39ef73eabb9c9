package sqlwire

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// lineWriter collects lines and sends them when they are many or have waited long enough. The second is a timer's work, because whoever writes
// the lines is waiting for PostgreSQL then: its rows come in blocks that end in the middle of one, and nothing tells that no more is on its way.
type lineWriter struct {
	w      io.Writer
	flush  func() error
	failed func()      // called once, when w or flush fail
	timer  *time.Timer // calls late; set before the first line

	mu     sync.Mutex // guards what follows, and w and flush; held while writing, so that the timer and close wait for each other
	buf    []byte
	closed bool
	fault  error
}

// line appends one line, which write writes without its end.
func (l *lineWriter) line(write func(dst []byte) []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.buf) == 0 {
		l.timer.Reset(streamDelay)
	}
	l.buf = append(write(l.buf), '\n')
	if len(l.buf) >= streamBuffer {
		l.sendLocked()
	}
}

// send sends what is there.
func (l *lineWriter) send() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sendLocked()
}

// late is the timer's call. It may come after close.
func (l *lineWriter) late() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.sendLocked()
	}
}

// err returns the first error of w or flush.
func (l *lineWriter) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fault
}

// close makes sure that w and flush are not called any more.
func (l *lineWriter) close() {
	l.timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

func (l *lineWriter) sendLocked() {
	if l.fault != nil || len(l.buf) == 0 {
		return
	}
	_, err := l.w.Write(l.buf)
	if err == nil {
		err = l.flush()
	}
	l.buf = l.buf[:0]
	if err != nil {
		l.fault = fmt.Errorf("sqlwire: write rows: %w", err)
		l.failed()
	}
}
