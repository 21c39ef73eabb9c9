package onboard

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
)

// worker takes places of one cluster, one after the other. It keeps its
// connection as long as the next place lies in the same database.
type worker struct {
	p    *Provisioner
	lock func(context.Context, registry.ID) (context.Context, func(), error)
	do   task
	kept *session // nil for none
	// home is in the administrator's own database, for one who is let into a
	// tenant's database only as a member of its owner. nil until it is needed.
	home *admin
	// silence is what the workers of the cluster share.
	silence *silence
}

// silence is of a server that did not let the administrator in, in time. The
// other tenants of that server need not wait as long, one after the other.
type silence struct{ why atomic.Pointer[error] }

// noted remembers an error that was silence, and returns it. The work's own
// end is none of the server's.
func (s *silence) noted(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok && ctx.Err() == nil && pgconn.Timeout(err) {
		s.why.CompareAndSwap(nil, &err)
	}
	return err
}

// broken is nil until there was silence.
func (s *silence) broken() error {
	if why := s.why.Load(); why != nil {
		return fmt.Errorf("left out, because the server does not answer: %w", *why)
	}
	return nil
}

// run works until the queue is empty or ctx has ended.
func (w *worker) run(ctx context.Context, queue <-chan *job, results chan<- Migrated) {
	defer w.rest(ctx)
	for j := range queue {
		if ctx.Err() != nil {
			return
		}
		began := time.Now()
		done, err := w.one(ctx, j)
		took := time.Since(began)
		for _, id := range j.tenants {
			m := Migrated{Tenant: id, From: done.from, To: done.to, Applied: done.applied, Took: took}
			if err != nil {
				m.Err = fmt.Errorf("onboard: tenant %s: %w", id, brief(err))
			}
			results <- m
		}
	}
}

// rest closes the connections.
func (w *worker) rest(ctx context.Context) {
	if w.home != nil {
		w.home.close(ctx)
		w.home = nil
	}
	w.forget(ctx)
}

// forget closes the one that is kept.
func (w *worker) forget(ctx context.Context) {
	if w.kept != nil {
		w.kept.close(ctx)
		w.kept = nil
	}
}

// one works on one place, when nobody else does. The tenant's lock comes
// first: who has it may be waiting for a turn.
func (w *worker) one(ctx context.Context, j *job) (progress, error) {
	if err := w.silence.broken(); err != nil {
		return progress{}, err
	}
	if w.lock != nil && !j.pl.row() {
		locked, unlock, err := w.lock(ctx, j.pl.tenant.ID)
		if err != nil {
			return progress{}, err
		}
		defer unlock()
		ctx = locked
	}
	ctx, cancel := context.WithTimeout(ctx, w.p.cfg.Timeout)
	defer cancel()
	done, err := w.turn(ctx, j.pl.tenant.Cluster)
	if err != nil {
		return progress{}, err
	}
	defer done()
	unlock, err := w.p.places.lock(ctx, j.pl.key())
	if err != nil {
		return progress{}, err
	}
	defer unlock()
	return w.onSession(ctx, j)
}

// turn waits for one. A connection is not kept meanwhile: who has the turn may
// be waiting for the room that it takes in the budget.
func (w *worker) turn(ctx context.Context, cluster string) (done func(), err error) {
	if w.kept != nil && w.p.way.atOnce > 0 {
		if turns := w.p.way.of(cluster); turns.TryAcquire(1) {
			return func() { turns.Release(1) }, nil
		}
		w.rest(ctx)
	}
	return w.p.way.turn(ctx, cluster)
}

// onSession works on the kept connection, or for a tenant that owns its schema
// on one of its own.
func (w *worker) onSession(ctx context.Context, j *job) (progress, error) {
	if j.pl.trapped() {
		s, err := w.p.openSession(ctx, j.pl)
		if err != nil {
			return progress{}, absent(err, j.pl)
		}
		defer s.close(ctx)
		return w.do(ctx, s, j)
	}
	if w.kept != nil && (w.kept.IsClosed() || w.kept.Config().Database != j.pl.database) {
		w.forget(ctx)
	}
	if w.kept == nil {
		if err := w.open(ctx, j.pl); err != nil {
			return progress{}, errors.Join(absent(w.silence.noted(ctx, err), j.pl), w.leave(ctx, j.pl))
		}
	}
	done, err := w.do(ctx, w.kept, j)
	if w.kept.soiled() {
		w.forget(ctx)
	}
	return done, errors.Join(err, w.leave(ctx, j.pl))
}

// open connects to the database of the plan, as a member of its owner where
// nobody else is let in.
func (w *worker) open(ctx context.Context, pl *plan) (err error) {
	if w.home == nil {
		w.kept, err = w.p.openSession(ctx, pl)
		if err == nil || serverSaid(err) != "42501" {
			return err
		}
		if w.home, err = openAdmin(ctx, pl, pl.adminDatabase); err != nil {
			return err
		}
	}
	if err = w.home.join(ctx, pl.owner); err == nil {
		w.kept, err = w.p.openSession(ctx, pl)
	}
	return err
}

// leave ends what open began.
func (w *worker) leave(ctx context.Context, pl *plan) error {
	if w.home == nil {
		return nil
	}
	err := w.home.leave(ctx, pl)
	if w.home.IsClosed() {
		w.home = nil
	}
	return err
}

// serverSaid is the SQLSTATE of a refusal; "" when it was none.
func serverSaid(err error) string {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refused.Code
	}
	return ""
}

// soiled reports that the connection is not fit for another tenant.
func (s *session) soiled() bool {
	return s.IsClosed() || !s.idle() || len(s.takes) > 0
}

// absent says so when the database is not there.
func absent(err error, pl *plan) error {
	if serverSaid(err) == "3D000" {
		return refuse(ErrAbsent, "there is no database %s; provision the tenant first: %w", pl.database, err)
	}
	return err
}

// lookOne only reads the version.
func (p *Provisioner) lookOne(ctx context.Context, s *session, j *job) (progress, error) {
	at, err := p.look(ctx, s, j.pl)
	if err != nil && j.pl.trapped() {
		err = p.cfg.explainLimit(ctx, err)
	}
	if err == nil {
		err = j.course.passedBy(at)
	}
	return progress{from: at.newest(), to: at.newest()}, errors.Join(err, s.leave(ctx, j.pl))
}

// bringOne migrates, and gives the login its rights on what came. Tables that
// tenants share have no rights by default, and no policy: an earlier run may
// have been cut short before it gave them.
func (p *Provisioner) bringOne(ctx context.Context, s *session, j *job) (progress, error) {
	alone, err := p.aloneInPlace(ctx, j.pl)
	if err != nil {
		return progress{}, err
	}
	defer alone()
	done, err := p.bring(ctx, s, j.pl, j.course)
	if (len(done.applied) > 0 || (err == nil && j.pl.row())) && !s.IsClosed() {
		err = errors.Join(err, p.grantAfter(ctx, s, j.pl))
	}
	return done, errors.Join(err, s.leave(ctx, j.pl))
}

// grantAfter is grant, on a session.
func (p *Provisioner) grantAfter(ctx context.Context, s *session, pl *plan) error {
	if pl.trapped() {
		return nil
	}
	err := s.join(ctx, pl.owner)
	if err == nil {
		err = p.grant(ctx, s.admin, pl)
	}
	if err != nil {
		return fmt.Errorf("privileges of the login: %w", privilege(err, s.name))
	}
	return nil
}

// aloneInPlace waits until no other process works on tables that tenants
// share; the locks of the tenants would not keep two runs apart. It asks again
// and again: who waited in a query would stand in the way of an index that is
// made concurrently.
func (p *Provisioner) aloneInPlace(ctx context.Context, pl *plan) (free func(), err error) {
	if !pl.row() {
		return func() {}, nil
	}
	home, err := openAdmin(ctx, pl, pl.adminDatabase)
	if err != nil {
		return nil, err
	}
	err = errors.Join(home.tryUntilAlone(ctx, pl), home.leaveRoles(ctx))
	if err != nil {
		home.close(ctx)
		return nil, err
	}
	return func() { home.close(ctx) }, nil
}

// tryUntilAlone takes the lock of Provisioner.alone, which goes with the
// connection. Where PUBLIC may still lock, a tenant could have it: that session
// is ended, and where it cannot be, the lock says nothing and is not waited for.
func (a *admin) tryUntilAlone(ctx context.Context, pl *plan) error {
	able, err := a.yes(ctx, "select has_function_privilege(current_user, 'pg_catalog.pg_try_advisory_lock(bigint)', 'EXECUTE')")
	if err != nil || !able {
		return err
	}
	name := "poolkeeper onboard " + pl.database + "." + pl.schema
	for {
		got, err := a.yes(ctx, "select pg_try_advisory_lock(hashtextextended($1, 0))", name)
		if err != nil || got {
			return err
		}
		if stuck, err := a.usurped(ctx, name); err != nil || stuck {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
