package budget

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Refusals of [Account.Ask].
var (
	// ErrQueue is returned when as many callers wait for the budget as may.
	ErrQueue = errors.New("budget: queue is full")
	// ErrOwnQueue is returned when as many callers wait for the account's own
	// slots as may.
	ErrOwnQueue = errors.New("budget: account's queue is full")
	// ErrClosed is returned when the account is closed.
	ErrClosed = errors.New("budget: account is closed")
)

// Config of a Budget.
type Config struct {
	// Size is the most slots at once.
	Size int
	// Queue is the most callers that may wait for one, over all accounts.
	Queue int
	// StealAfter: a slot used more recently is spared by who has waited less.
	StealAfter time.Duration
	// KeepWarm: only what has rested this long may be taken from who would
	// then hold less than the taker, by weight.
	KeepWarm time.Duration
	// Tenure: a slot that a connection was opened on serves this long before
	// it is closed for somebody else, or it would be opened for next to
	// nothing. What can be taken over is not closed.
	Tenure time.Duration
	// RefillAfter is how long after one was taken spares for which room is
	// made are refilled: whoever took it should not share the machine with
	// the dial.
	RefillAfter time.Duration
	// Patience is how long who waits for a slot that is being closed counts on
	// it; then something else is looked for. 0: for ever.
	Patience time.Duration
	// Start runs fn on a goroutine of its own.
	Start func(fn func())
	// Now is the time in nanoseconds since any fixed moment before.
	Now func() int64
}

// Holder acts on what the budget decides. Its methods are called on
// goroutines of their own, with no lock held.
type Holder interface {
	// Granted hands s over. When s.Value is set it is the connection of the
	// account that held s before, to be taken over; else one may be dialled.
	// What follows is Account.Opened or Account.Failed, once.
	Granted(s *Slot)
	// Evict has the holder close s, which rested or was just given up, with
	// what it says to observers. s.Free follows.
	Evict(s *Slot, why Why)
}

// Why a slot is taken from its holder.
type Why string

// The reasons.
const (
	Handoff Why = "handoff" // the connection goes to another account
	Stolen  Why = "stolen"  // it is closed to make room for another account
	Shrunk  Why = "shrunk"  // the budget, or the account's share, became smaller
)

// Budget is the hard ceiling on slots. Its methods may be called concurrently.
type Budget struct {
	cfg Config
	// pressed says that somebody waits, or that more is in use or held than
	// may be: then what falls free is not simply the holder's. Written under
	// mu.
	pressed atomic.Bool

	// mu guards what follows, and all fields of accounts and slots that are
	// not atomic. Nothing slow happens under it.
	mu      sync.Mutex
	size    int
	queue   int
	slots   []*Slot // in use, those that are closing included
	closing int     // of them, those that were evicted and are not overdue
	waiting waiting // accounts that want more than is on its way to them
	wants   int     // over all accounts
	covered int     // of them, those for whom a slot is being closed
	exceed  int     // accounts that hold more than their maximum
	spares  []*Account
	ghosts  ghosts
	retry   *time.Timer // runs while somebody waits for a slot to have rested
	again   int64       // when it runs out, as far as this settling knows, or 0
	closed  bool
}

// New returns a Budget with nothing in use.
func New(cfg Config) *Budget {
	b := &Budget{cfg: cfg, size: cfg.Size, queue: cfg.Queue, ghosts: newGhosts()}
	return b
}

// Resize changes the size and the queue's limit. A smaller size takes effect
// as connections come to rest: those that rest already are closed at once,
// those in use when they come back.
func (b *Budget) Resize(size, queue int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.size, b.queue = size, queue
	b.settle()
}

// Close stops what runs by itself.
func (b *Budget) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.retry != nil {
		b.retry.Stop()
	}
}

// Stat are a budget's numbers at one moment.
type Stat struct {
	Size, InUse, Idle, Opening, Closing, Waiting, Spares int
	// ReopenedSoon counts accounts that lost their last slot to another and
	// wanted one again at once: thrash.
	ReopenedSoon uint64
}

// Stat returns the numbers.
func (b *Budget) Stat() Stat {
	b.mu.Lock()
	defer b.mu.Unlock()
	stat := Stat{Size: b.size, InUse: len(b.slots), Waiting: b.wants, ReopenedSoon: b.ghosts.soon}
	for _, s := range b.slots {
		switch {
		case !s.resting():
		case s.account.terms.Spare:
			stat.Spares++
		default:
			stat.Idle++
		}
		if s.opening() {
			stat.Opening++
		}
		if s.closing {
			stat.Closing++
		}
	}
	return stat
}
