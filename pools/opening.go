package pools

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"github.com/poolkeeper/poolkeeper/pools/budget"
	"github.com/poolkeeper/poolkeeper/pools/handoff"
	"github.com/poolkeeper/poolkeeper/registry"
)

// opening is one connection being made on a permit, by taking over another's
// or by dialling. It belongs to no caller: its limits are its own.
type opening struct {
	entry   *entry
	permit  *permit
	how     string        // StartDial, StartHandoff or StartSpare
	gift    *handoff.Conn // to be taken over
	last    *socket       // dialled before, in this opening
	carried bool          // the start-up carried the plan's parameters
	gate    *gate         // of the spare that is taken over

	password registry.Secret   // what is dialled with, when it is the tenant's own
	refused  []registry.Secret // what the server did not take
	asked    bool              // Refresh was called for it, or answered
}

// openingKey finds the opening in the context of pgxpool's constructor, and so
// in that of every dial of its start-up.
type openingKey struct{}

// Granted opens a connection on a slot of the budget's; it is budget.Holder's.
func (e *entry) Granted(slot *budget.Slot) {
	o := &opening{entry: e, how: StartDial}
	donor, _ := slot.Value.(*session)
	switch {
	case donor == nil:
		o.permit = newPermit(slot)
	case donor.sock.permit.tryHold():
		o.permit = donor.sock.permit
	default: // cut before it got here: the slot is free again, and asked for anew
		donor.entry.shelf.forget(donor)
		donor.end("")
		e.lost()
		return
	}
	s, err := o.open(donor)
	if err != nil {
		e.missed(err)
		o.permit.drop()
		return
	}
	e.arrived(s)
	o.permit.drop()
}

// Evict closes a session that makes room; it is budget.Holder's.
func (e *entry) Evict(slot *budget.Slot, why budget.Why) {
	s := slot.Value.(*session) //nolint:forcetypeassert // a slot that rests has its session
	s.entry.shelf.forget(s)
	s.end(string(why))
}

// open takes donor over, and dials when there is none or it is in any doubt.
func (o *opening) open(donor *session) (*session, error) {
	if donor != nil {
		if s := o.takeOver(donor); s != nil {
			return s, nil
		}
		o.how, o.gift, o.gate, o.last = StartDial, nil, nil, donor.sock
	}
	e := o.entry
	if err := e.tryDial(); err != nil {
		return nil, e.failure(err)
	}
	defer e.abandonTry() // if its outcome was not noted
	s, err := o.dialInTurn()
	if err != nil && e.startsPlain(err) {
		s, err = o.dialInTurn() // once more, without the parameters that were refused
	}
	if err != nil && e.mayHeal(err) {
		s, err = o.redial(err)
	}
	if err != nil {
		return nil, e.failure(err)
	}
	return s, nil
}

// connect has pgxpool make the connection. It gets no deadline: pgxpool would
// go on without us, and keep what it made. What it does has limits: the
// connect timeout, the pin's, and the pool's end.
func (o *opening) connect() (*session, error) {
	ctx := context.WithValue(context.Background(), openingKey{}, o)
	pc, err := o.entry.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	s := sessionOf(pc.Conn())
	s.pooled, s.conn, s.slot = pc, pc.Conn(), o.permit.slot
	s.slot.Value = s
	o.entry.enlist(s)
	return s, nil
}

// beforeConnect is pgxpool's BeforeConnect: cfg is this connection's own.
func (e *entry) beforeConnect(ctx context.Context, cfg *pgx.ConnConfig) error {
	o, _ := ctx.Value(openingKey{}).(*opening)
	if o == nil {
		return errNoOpening // nobody but the keeper opens connections
	}
	if e.cut.Load() {
		return ErrDrained
	}
	cfg.BuildContextWatcherHandler = func(pg *pgconn.PgConn) ctxwatch.Handler { return o.adopt(pg) }
	if o.gift != nil {
		o.gift.Replay(cfg, e.cluster.dialCancel)
		return nil
	}
	o.logIn(cfg)
	e.startPlain(cfg)
	_, o.carried = cfg.RuntimeParams["search_path"]
	cfg.DialFunc = o.dial
	return nil
}

var errCut = errors.New("pools: the connection was cut meanwhile")

var errNoOpening = errors.New("pools: nobody asked for this connection")

// dial opens the socket of a new connection, which holds the permit until the
// server's side of it is gone.
//
// The driver dials for cancel requests in the same way, also for those of
// start-ups that failed. They come with contexts of their own; whatever is
// dialled in the opening's needs the permit: sslmode=prefer and several
// addresses dial more than once.
func (o *opening) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c := o.entry.cluster
	if ctx.Value(openingKey{}) != o {
		return c.dialCancel(ctx, network, addr)
	}
	if o.last != nil { // one permit, one socket
		select {
		case <-o.last.gone:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, ErrBudget // the server holds on to it, and nothing was tried
			}
			return nil, endOf(ctx)
		}
	}
	conn, err := c.dial()(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return o.register(conn)
}

func (o *opening) register(conn net.Conn) (net.Conn, error) {
	e := o.entry
	s := &socket{Conn: conn, keeper: e.keeper, permit: o.permit, born: e.keeper.now(), gone: make(chan struct{})}
	s.entry.Store(e)
	o.permit.hold()
	o.last = s
	if !e.adopt(s) {
		_ = s.Close() // nothing was said on it yet
		return nil, ErrDrained
	}
	return s, nil
}

// dial is how sockets are opened to the server.
func (c *cluster) dial() pgconn.DialFunc {
	if c.keeper.cfg.Dial != nil {
		return c.keeper.cfg.Dial
	}
	return c.target.ConnConfig.DialFunc
}

// adopt runs when the start-up of a connection is over: it attaches the
// session and returns what acts on the end of statements' contexts.
func (o *opening) adopt(pg *pgconn.PgConn) ctxwatch.Handler {
	s := &session{entry: o.entry, pg: pg, sock: socketOf(pg.Conn()), how: o.how, losses: o.entry.losses.Load(), gate: o.gate}
	s.lifetime = o.entry.keeper.lifetimeOf()
	if s.sock == nil { // not dialled by us: pinSession refuses it
		return &pgconn.DeadlineContextWatcherHandler{Conn: pg.Conn()}
	}
	s.sock.session.Store(s)
	pg.CustomData()[sessionKey] = s
	return s.newCanceller()
}

// takeOver makes the connection of another tenant ours: reset, pinned and
// checked in one round trip. On any doubt it returns nil, and the connection
// is closed.
func (o *opening) takeOver(donor *session) *session {
	donor.entry.shelf.forget(donor)
	o.how, o.gate = StartHandoff, donor.gate
	if donor.entry.spare() {
		o.how = StartSpare
	}
	s, err := o.receive(donor)
	if err == nil {
		return s
	}
	e := o.entry
	e.keeper.log.Debug("a connection could not be taken over; dialling instead",
		"tenant", e.tenant.ID.String(), "cluster", e.tenant.Cluster, "error", err)
	if o.gate != nil && isUnfit(err) {
		e.unfit()
	}
	donor.sock.because("discarded")
	_ = donor.sock.Close() // whoever has it now
	return nil
}

func (o *opening) receive(donor *session) (*session, error) {
	ctx, cancel := context.WithTimeout(o.entry.keeper.lifetime, o.entry.keeper.cfg.ConnectTimeout)
	defer cancel()
	if donor.pending {
		if err := donor.readReset(ctx); err != nil {
			donor.refuse(err)
			if donor.unanswered { // its server's side goes on until it is told to end
				donor.entry.keeper.workers.Go(donor.reap)
			}
			donor.end("")
			return nil, err
		}
	}
	if !donor.leavesPool() {
		return nil, errCut
	}
	conn := donor.pooled.Hijack()
	gift, err := handoff.Take(ctx, conn)
	if err != nil {
		return nil, err
	}
	donor.sock.because(string(budget.Handoff))
	if !donor.sock.move(o.entry) {
		_ = gift.Close() // closing what is closed harms nothing
		return nil, fmt.Errorf("pools: %w", ErrDrained)
	}
	o.gift = gift
	s, err := o.connect()
	if err != nil {
		_ = gift.Close() // if nobody took it
	}
	return s, err
}

// lifetimeOf draws the age of a connection, so that those that were opened
// together do not end together.
func (k *Keeper) lifetimeOf() time.Duration {
	return k.cfg.ConnLifetime + time.Duration(rand.Int64N(int64(k.cfg.ConnLifetime)/10+1)) //nolint:gosec // jitter, not a secret
}

// mustEnd says why a session that comes back is not kept, or "".
func (s *session) mustEnd(now int64) string {
	if now >= s.sock.born+int64(s.lifetime) {
		return "lifetime"
	}
	return ""
}

// end closes a session that nobody holds and takes it out of its pool.
func (s *session) end(why string) {
	s.close(why)
	if s.leavesPool() {
		s.pooled.Release()
	}
}

// leavesPool reports true to the one who is to take the session out of its
// pool, whichever way.
func (s *session) leavesPool() bool {
	if !s.left.CompareAndSwap(false, true) {
		return false
	}
	s.entry.strike(s)
	return true
}
