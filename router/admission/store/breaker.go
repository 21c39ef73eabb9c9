package store

import (
	"sync"
	"time"
)

// Rest is how long a store that failed is left alone.
const Rest = time.Second

// patience is how many failures in a row it takes: one lost connection among
// good ones is no outage.
const patience = 3

// breaker counts failures in a row. Once there are enough of them one question
// is let through per Rest, until one succeeds.
type breaker struct {
	// mu guards what follows. Nothing slow happens under it.
	mu     sync.Mutex
	failed int
	until  time.Time // nothing is asked before
}

// enter reports whether the store may be asked now. Whoever gets a yes after a
// rest is the only one who tries: the rest begins anew for the others.
func (b *breaker) enter(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed < patience {
		return true
	}
	if now.Before(b.until) {
		return false
	}
	b.until = now.Add(Rest)
	return true
}

// leave notes how a question went, and reports whether the rests begin or end
// with it.
func (b *breaker) leave(now time.Time, well bool) (begins, ends bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if well {
		ends = b.failed >= patience
		b.failed = 0
		return false, ends
	}
	b.failed++
	b.until = now.Add(Rest)
	return b.failed == patience, false
}
