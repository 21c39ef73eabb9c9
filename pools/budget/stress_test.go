package budget_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

// The holders below are small pools: they keep what rests, serve their own
// callers first come, first served, and act on what the budget decides, all
// at once.

// server counts the sockets, apart from the budget.
type server struct {
	budget *budget.Budget
	began  time.Time
	size   int64
	open   atomic.Int64
	beyond atomic.Int64 // the ceiling
	moved  atomic.Int64
	closed atomic.Int64
	work   sync.WaitGroup
}

func (v *server) now() int64 { return int64(time.Since(v.began)) + 1 }

// socket is a connection that one caller at a time may use.
type socket struct {
	used atomic.Bool
	slot *budget.Slot
	pool *pool
}

type pool struct {
	*server
	account *budget.Account
	mu      sync.Mutex
	idle    []*socket
	callers []caller
	misses  int // so that some dials fail
}

type caller struct {
	since int64
	got   chan *socket
}

func TestNobodyStarvesAndTheCeilingHoldsWhileAllHappensAtOnce(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 3, 8} {
		t.Run(fmt.Sprintf("size %d", size), func(t *testing.T) {
			t.Parallel()
			stress(t, size, func(*server, []*pool) {})
		})
	}
}

func TestNobodyStarvesWhileLimitsChange(t *testing.T) {
	t.Parallel()
	stress(t, 6, func(v *server, pools []*pool) {
		for i := range 300 {
			v.budget.Resize(1+i%6, 1000)
			terms := poolTerms(i % len(pools))
			terms.Max = 1 + i%3
			pools[i%len(pools)].account.Adjust(terms)
			_ = v.budget.Stat()
			runtime.Gosched()
		}
		v.budget.Resize(6, 1000)
	})
}

func stress(t *testing.T, size int, meanwhile func(*server, []*pool)) {
	const accounts, callers, rounds = 8, 3, 60
	v := &server{began: time.Now(), size: int64(size)}
	v.budget = budget.New(budget.Config{
		Size: size, Queue: 1000, StealAfter: 20 * time.Microsecond, KeepWarm: 500 * time.Microsecond,
		Start: v.work.Go, Now: v.now,
	})
	pools := make([]*pool, accounts)
	var users sync.WaitGroup
	for i := range pools {
		p := &pool{server: v}
		p.account = v.budget.Open(poolTerms(i), p)
		pools[i] = p
		for range callers {
			users.Go(func() {
				for range rounds {
					p.once(t)
				}
			})
		}
	}
	users.Go(func() { meanwhile(v, pools) })
	users.Wait()
	v.work.Wait() // what is still being opened comes to rest
	for _, p := range pools {
		p.drain()
	}
	v.budget.Close()
	v.work.Wait()
	if n := v.beyond.Load(); n > 0 {
		t.Errorf("%d sockets were open at once, %d may be", n, v.size)
	}
	if s := v.budget.Stat(); s.InUse != 0 || s.Waiting != 0 || s.Closing != 0 || v.open.Load() != 0 {
		t.Errorf("after the end: %+v, %d sockets", s, v.open.Load())
	}
	t.Logf("%d taken over, %d closed", v.moved.Load(), v.closed.Load())
}

// poolTerms are of every sort: the first keep to themselves.
func poolTerms(i int) budget.Terms {
	terms := budget.Terms{Name: fmt.Sprint(i), Max: 1 + i%3, Queue: 100, Weight: 1 + i%2}
	if i > 2 {
		terms.Gives, terms.Takes = "kind", []string{"kind"}
	}
	return terms
}

// once uses a connection for a moment.
func (p *pool) once(t *testing.T) {
	s := p.get(t)
	if !s.used.CompareAndSwap(false, true) {
		t.Error("two use one connection")
	}
	runtime.Gosched()
	s.used.Store(false)
	p.put(s)
}

func (p *pool) get(t *testing.T) *socket {
	p.mu.Lock()
	for len(p.idle) > 0 {
		s := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if s.slot.Take() {
			p.mu.Unlock()
			return s
		}
	}
	c := caller{since: p.now(), got: make(chan *socket, 1)}
	p.callers = append(p.callers, c)
	if err := p.account.Ask(p.waiting()); err != nil {
		t.Errorf("refused: %v", err)
	}
	p.mu.Unlock()
	return <-c.got
}

func (p *pool) waiting() (int, int64) {
	if len(p.callers) == 0 {
		return 0, 0
	}
	return len(p.callers), p.callers[0].since
}

func (p *pool) put(s *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, since := p.waiting()
	switch {
	case p.account.Excess():
		p.work.Go(func() { p.end(s) })
	case n == 0:
		p.idle = append(p.idle, s)
		s.slot.Rest(p.now())
		s.slot.Settle()
	case !s.slot.Yield(since):
		p.callers[0].got <- s
		p.callers = p.callers[1:]
		_ = p.account.Ask(p.waiting()) // fewer are not refused
	}
}

// Granted is budget.Holder's.
func (p *pool) Granted(slot *budget.Slot) {
	if donor, ok := slot.Value.(*socket); ok {
		donor.pool.forget(donor)
		p.moved.Add(1)
	} else if n := p.open.Add(1); n > p.size {
		p.beyond.Store(n)
	}
	s := &socket{slot: slot, pool: p}
	slot.Value = s
	p.mu.Lock()
	p.misses++
	if p.misses%7 == 0 { // the dial failed; its caller waits on
		p.account.Failed(p.waiting())
		p.mu.Unlock()
		p.end(s)
		return
	}
	if len(p.callers) > 0 {
		slot.Use()
		p.callers[0].got <- s
		p.callers = p.callers[1:]
	} else {
		p.idle = append(p.idle, s)
		slot.Rest(p.now())
	}
	p.account.Opened(p.waiting())
	p.mu.Unlock()
}

// Evict is budget.Holder's.
func (p *pool) Evict(slot *budget.Slot, _ budget.Why) {
	s := slot.Value.(*socket)
	p.forget(s)
	p.closed.Add(1)
	p.end(s)
}

func (p *pool) forget(s *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = slices.DeleteFunc(p.idle, func(x *socket) bool { return x == s })
}

func (p *pool) end(s *socket) {
	p.open.Add(-1)
	s.slot.Free()
}

func (p *pool) drain() {
	p.account.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.idle {
		if s.slot.Take() {
			p.end(s)
		}
	}
	p.idle = nil
}
