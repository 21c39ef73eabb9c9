package control

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// How long to wait before connecting again; doubled with every failure.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// gather is how long after a notification the next ones are waited for, so
// that a burst of changes is read in few questions.
const gather = 10 * time.Millisecond

// follow applies changes until ctx ends. Without a connection that listens it
// looks every Config.Poll, on one that is there.
func (d *Database) follow(ctx context.Context) {
	for retry := firstRetry; ctx.Err() == nil; {
		listened, err := d.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if listened {
			retry = firstRetry
		}
		lost := retry == firstRetry
		d.pollFor(ctx, retry+rand.N(retry)) //nolint:gosec // no secret
		if lost && ctx.Err() == nil {       // a program that stops loses it first
			d.log.WarnContext(ctx, "the connection that hears of changes was lost; they are looked for by time meanwhile", "every", d.cfg.Poll, "error", err)
		}
		retry = min(2*retry, lastRetry)
	}
}

// pollFor waits, and looks for changes whenever it is time to.
func (d *Database) pollFor(ctx context.Context, wait time.Duration) {
	end := time.Now().Add(wait)
	for ctx.Err() == nil && time.Now().Before(end) {
		due := time.Now().Add(d.cfg.Poll - d.seen.age())
		if !due.After(time.Now()) {
			d.pollOnce(ctx)
			due = time.Now().Add(d.cfg.Poll) // also when it failed
		}
		if due.After(end) {
			due = end
		}
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
		}
	}
}

func (d *Database) pollOnce(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, d.patience())
	defer cancel()
	if err := d.catchUp(bounded, d.pool); err != nil && ctx.Err() == nil {
		d.log.DebugContext(ctx, "looking for changes failed", "error", err)
	}
}

// patience is how long a look at the database may take: reading all records
// takes longer than Config.Poll may be.
func (d *Database) patience() time.Duration { return max(d.cfg.Poll, 30*time.Second) }

// answering is how long the database may take to say that nothing is new.
func (d *Database) answering() time.Duration {
	return min(max(d.cfg.Poll/3, 2*time.Second), 10*time.Second)
}

// listen follows changes on a connection of its own until that breaks. It
// reports whether it got to listening.
func (d *Database) listen(ctx context.Context) (listened bool, err error) {
	told := false // by notifications, which arrive within calls on the connection
	opening, cancel := context.WithTimeout(ctx, max(d.cfg.Poll, time.Second))
	conn, err := d.listener(opening, func() { told = true })
	cancel()
	if err != nil {
		return false, err
	}
	defer closeConn(ctx, conn)
	defer d.hears.Store(false)
	for first := true; ; first = false {
		told = false
		if err := d.look(ctx, conn); err != nil {
			return !first, err
		}
		if first {
			// Whoever asked past us while nobody listened may know better.
			d.live.Distrust()
			d.hears.Store(true)
		}
		if !told {
			// One that answers no more is found out within Config.Poll.
			told, err = awaitNotice(ctx, conn, d.cfg.Poll-min(d.answering(), d.cfg.Poll/2))
		}
		if err == nil && told {
			err = pause(ctx, gather)
		}
		if err != nil {
			return true, err
		}
	}
}

// look is catchUp on the connection that listens.
func (d *Database) look(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, d.patience())
	defer cancel()
	return d.catchUp(ctx, conn)
}

// awaitNotice waits for a notification, or until it is time to look without
// one.
func awaitNotice(ctx context.Context, conn *pgx.Conn, limit time.Duration) (told bool, err error) {
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = conn.PgConn().WaitForNotification(waiting)
	if err != nil && errors.Is(waiting.Err(), context.DeadlineExceeded) && ctx.Err() == nil && !conn.IsClosed() {
		return false, nil
	}
	return err == nil, err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
