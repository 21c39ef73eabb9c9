package server

import (
	"log"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"
)

const (
	// seldom is how long a line of the log that clients can cause as often as
	// they like keeps the next of its kind from standing out.
	seldom = 10 * time.Second
	// maxKinds bounds how many kinds are told apart at a time; all others are one.
	maxKinds = 64
)

// occasions lets one line of each kind stand out now and then. A client in a
// loop then cannot bury everything else that an operator is warned of.
type occasions struct {
	mu   sync.Mutex           // guards last
	last map[string]time.Time // when one stood out, by kind
}

// take reports whether a line of this kind stands out now.
func (o *occasions) take(kind string) bool {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	last, known := o.last[kind]
	if !known && len(o.last) >= maxKinds {
		maps.DeleteFunc(o.last, func(_ string, at time.Time) bool { return now.Sub(at) >= seldom })
	}
	if !known && len(o.last) >= maxKinds {
		kind = ""
		last, known = o.last[kind]
	}
	if known && now.Sub(last) < seldom {
		return false
	}
	if o.last == nil {
		o.last = map[string]time.Time{}
	}
	o.last[kind] = now
	return true
}

// connectionLog is what net/http tells of connections that came to no request,
// one line at a time.
func (s *Server) connectionLog() *log.Logger { return log.New(connectionLines{s}, "", 0) }

type connectionLines struct{ s *Server }

// Write logs a line. What a scanner, or the probe of a load balancer, leaves
// behind is no warning; and whatever it is, a peer can repeat it at will.
func (l connectionLines) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if rest, ok := strings.CutPrefix(text, "http: TLS handshake error from "); ok {
		peer, reason, _ := strings.Cut(rest, ": ")
		l.tell(slog.LevelInfo, "tls: "+reason, "TLS handshake failed", slog.String("peer", peer), slog.String("error", reason))
		return len(line), nil
	}
	kind, _, _ := strings.Cut(text, " from ") // a peer's address would make each its own kind
	l.tell(slog.LevelWarn, kind, text)
	return len(line), nil
}

func (l connectionLines) tell(level slog.Level, kind, message string, attrs ...slog.Attr) {
	if !l.s.lines.take(kind) {
		level = slog.LevelDebug
	}
	l.s.log.LogAttrs(l.s.following, level, message, attrs...)
}
