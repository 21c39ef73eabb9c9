package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// held are the locks of this process.
type held struct {
	mu    sync.Mutex       // guards what follows; the database is asked outside of it
	locks map[string]*lock // by token
}

// A lock is one that this process holds.
type lock struct {
	tenant registry.ID
	lose   context.CancelCauseFunc
	// end loses the lock when it was not renewed in time. It is set before
	// the database's own end: the time is taken before the question.
	end *time.Timer
}

// Lock takes the tenant's lock or fails with *[BusyError] at once; also when
// this process has it. The context ends when the lock is lost, with the cause
// [ErrLost]. unlock releases it and ends the context; it may be called twice.
func (d *Database) Lock(ctx context.Context, id registry.ID, what string) (locked context.Context, unlock func(), err error) {
	token, asked := rand.Text(), time.Now()
	if err := d.take(ctx, id, what, token); err != nil {
		return nil, nil, err
	}
	locked, lose := context.WithCancelCause(ctx)
	d.held.mu.Lock() // before the timer is made: one that fires at once must find the lock
	end := time.AfterFunc(d.cfg.LockTTL-time.Since(asked), func() { d.lost(token, "it could not be renewed in time") })
	d.held.locks[token] = &lock{tenant: id, lose: lose, end: end}
	d.held.mu.Unlock()
	return locked, sync.OnceFunc(func() { d.release(locked, token) }), nil
}

// take stores the lock, over one whose holder has gone silent.
func (d *Database) take(ctx context.Context, id registry.ID, what, token string) error {
	const store = `INSERT INTO poolkeeper.locks AS l (tenant, what, holder, instance, token, expires)
		VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 ms')
		ON CONFLICT (tenant) DO UPDATE SET what = excluded.what, holder = excluded.holder, instance = excluded.instance,
			token = excluded.token, expires = excluded.expires
		WHERE l.expires < clock_timestamp()`
	const ask = "SELECT what, holder FROM poolkeeper.locks WHERE tenant = $1"
	for {
		tag, err := d.pool.Exec(ctx, store, id.String(), what, d.name, d.instance, token, d.cfg.LockTTL.Milliseconds())
		if err != nil {
			return fmt.Errorf("control: locking tenant %q: %w", id, err)
		}
		if tag.RowsAffected() == 1 {
			return nil
		}
		busy := &BusyError{Tenant: id}
		err = d.pool.QueryRow(ctx, ask, id.String()).Scan(&busy.What, &busy.Holder)
		switch {
		case err == nil:
			return busy
		case !errors.Is(err, pgx.ErrNoRows): // else it was released in between
			return fmt.Errorf("control: locking tenant %q: %w", id, err)
		}
	}
}

// release gives the lock back. When the database does not hear of it, the lock
// ends by itself.
func (d *Database) release(ctx context.Context, token string) {
	d.drop(token, context.Canceled)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, err := d.pool.Exec(ctx, "DELETE FROM poolkeeper.locks WHERE token = $1", token); err != nil {
		d.log.WarnContext(ctx, "a lock could not be released; it ends by itself", "within", d.cfg.LockTTL, "error", err)
	}
}

// drop forgets a lock and ends its context; it reports whether it was held.
func (d *Database) drop(token string, cause error) (registry.ID, bool) {
	d.held.mu.Lock()
	l, ok := d.held.locks[token]
	delete(d.held.locks, token)
	d.held.mu.Unlock()
	if !ok {
		return registry.ID{}, false
	}
	l.end.Stop()
	l.lose(cause)
	return l.tenant, true
}

func (d *Database) lost(token, why string) {
	if id, ok := d.drop(token, fmt.Errorf("%w: %s", ErrLost, why)); ok {
		d.log.Error("a lock was lost; the work under it is cut short", "tenant", id.String(), "reason", why)
	}
}

// tokens are of the locks that are held.
func (h *held) tokens() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	tokens := make([]string, 0, len(h.locks))
	for token := range h.locks {
		tokens = append(tokens, token)
	}
	return tokens
}

// renewed moves the ends of the locks; asked is when the database was.
func (d *Database) renewed(asked time.Time, all, still []string) {
	kept := make(map[string]bool, len(still))
	for _, token := range still {
		kept[token] = true
	}
	for _, token := range all {
		if !kept[token] {
			d.lost(token, "somebody else has it, or it was taken away")
			continue
		}
		d.held.mu.Lock()
		// A timer that has fired has lost the lock already, or is about to.
		if l := d.held.locks[token]; l != nil && l.end.Stop() {
			l.end.Reset(d.cfg.LockTTL - time.Since(asked))
		}
		d.held.mu.Unlock()
	}
}
