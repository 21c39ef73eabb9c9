package poolstest

import (
	"cmp"
	"slices"
	"sync"
)

// census knows how long each socket was open, to say afterwards how many were
// at the busiest instant. It cannot count as it goes: what a socket is for
// shows only in its first message.
type census struct {
	mu      sync.Mutex
	now     int // grows with each event
	sockets []*life
}

// life is one socket's: from when to when it was open, and whether it was a
// cancel request's, which takes no connection of a server's.
type life struct {
	from, to int // to is 0 while it is open
	cancel   bool
}

func (c *census) born() *life {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now++
	l := &life{from: c.now}
	c.sockets = append(c.sockets, l)
	return l
}

func (c *census) died(l *life) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now++; l.to == 0 {
		l.to = c.now
	}
}

func (c *census) cancels(l *life) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.cancel = true
}

// forget leaves out of account what is over.
func (c *census) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sockets = slices.DeleteFunc(c.sockets, func(l *life) bool { return l.to > 0 })
}

func (c *census) peak() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	type step struct{ at, by int }
	var steps []step
	for _, l := range c.sockets {
		if l.cancel {
			continue
		}
		steps = append(steps, step{l.from, 1})
		if l.to > 0 {
			steps = append(steps, step{l.to, -1})
		}
	}
	slices.SortFunc(steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	open, most := 0, 0
	for _, s := range steps {
		open += s.by
		most = max(most, open)
	}
	return most
}

// Peak returns how many sockets were open at the busiest instant so far: from
// the dial to the end of the server's side, failed start-ups included, cancel
// requests not.
func (s *Server) Peak() int { return s.census.peak() }

// ForgetPeak has Peak begin anew. Call it while nothing is being opened.
func (s *Server) ForgetPeak() { s.census.forget() }
