package pools

import (
	"context"
	"time"
)

// End is Release for whoever handed the lease on and cannot know whether all
// that was acquired on it came back, such as a middleware whose handlers may
// panic. Connections that are still held, by open rows or a transaction too,
// are cut; what runs on them is cancelled, and the keeper's log says so, each
// pool once in ten seconds. It
// does not wait. Calling it again does nothing.
func (l *Lease) End() {
	l.ended.Store(true)
	if l.first.held.Load() || l.more.Load() > 0 {
		l.cutHeld()
	}
	l.Release()
}

// cutHeld cuts the connections that are held on the lease.
func (l *Lease) cutHeld() {
	e, cut := l.entry, 0
	for _, s := range e.known() {
		c := s.holder.Load()
		if c == nil || c != &l.first && c.beside != l || !c.held.CompareAndSwap(true, false) {
			continue
		}
		cut++
		c.uncount()
		s.holder.Store(nil)
		e.keeper.workers.Go(s.cutOff)
	}
	if cut > 0 && e.tellsOfLeak() {
		e.keeper.log.Warn("connections were still held at the end of their lease and were cut; something did not close rows, end a transaction or release",
			"tenant", e.tenant.ID.String(), "cluster", e.tenant.Cluster, "connections", cut)
	}
}

// leakSilence is how long a pool tells of no further connections that were
// left: a handler that always leaves one must not bury the rest of the log.
const leakSilence = 10 * time.Second

// tellsOfLeak reports whether it is time to.
func (e *entry) tellsOfLeak() bool {
	now, last := e.keeper.now()+1, e.leakTold.Load()
	return (last == 0 || now-last >= int64(leakSilence)) && e.leakTold.CompareAndSwap(last, now)
}

// uncount has the lease forget the connection, which is not held any more.
func (c *Conn) uncount() {
	if c.beside != nil {
		c.beside.more.Add(-1)
	}
}

// cutOff ends a session under whoever may still use the driver's connection,
// which is therefore left alone.
func (s *session) cutOff() {
	s.sock.because("cut")
	// The lease's holder is gone: this belongs to the connection.
	ctx, cancel := context.WithTimeout(context.Background(), s.entry.keeper.cfg.CancelTimeout)
	defer cancel()
	if !s.sock.closing.Load() {
		_ = s.pg.CancelRequest(ctx) // the session is ended anyway
	}
	_ = s.sock.Close()
	if s.leavesPool() {
		s.pooled.Hijack()
	}
	patience := time.NewTimer(time.Second)
	defer patience.Stop()
	select {
	case <-s.sock.gone:
	case <-patience.C: // a statement can catch a cancel request
		s.reap()
	}
}

// lent counts the connections that are held.
func (e *entry) lent() (n int) {
	for _, s := range e.known() {
		if s.holder.Load() != nil {
			n++
		}
	}
	return n
}
