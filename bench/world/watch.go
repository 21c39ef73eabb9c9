package world

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// Sample is how many sessions clients had at a moment.
type Sample struct {
	At       time.Duration // since the watch began
	Sessions int
}

// clients selects the sessions of everybody but the superuser, those included
// that have not said yet who they are.
const clients = `FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename IS DISTINCT FROM current_user`

// sampling is a function that counts sessions every two milliseconds until
// nobody holds the lock any more. It runs inside the server, because a busy
// program of ours could not keep that pace.
const sampling = `CREATE FUNCTION sample_sessions() RETURNS TABLE (ms float8, sessions int) LANGUAGE plpgsql AS $$
DECLARE began timestamptz := clock_timestamp();
BEGIN
	LOOP
		PERFORM pg_stat_clear_snapshot();
		SELECT count(*) INTO sessions ` + clients + `;
		ms := extract(epoch FROM clock_timestamp() - began) * 1000;
		RETURN NEXT;
		EXIT WHEN pg_try_advisory_lock(1);
		PERFORM pg_sleep(0.002);
	END LOOP;
	PERFORM pg_advisory_unlock(1);
END $$`

// Watch counts the clients' sessions until it is stopped.
type Watch struct {
	holder *pgx.Conn // holds the lock
	done   chan struct{}
	seen   []Sample // written until done, likewise err
	err    error
}

// Watch returns when the watch has begun. Stop it.
func (w *World) Watch(ctx context.Context) (*Watch, error) {
	holder, err := w.Admin(ctx)
	if err != nil {
		return nil, err
	}
	sampler, err := w.Admin(ctx)
	if err == nil {
		_, err = holder.Exec(ctx, "SELECT pg_advisory_lock(1)")
	}
	if err != nil {
		return nil, errors.Join(err, holder.Close(ctx))
	}
	watch := &Watch{holder: holder, done: make(chan struct{})}
	go func() {
		defer close(watch.done)
		watch.seen, watch.err = samples(ctx, sampler)
	}()
	_, err = holder.Exec(ctx, "SELECT pg_sleep(0.05)") // until the first sample is taken
	return watch, err
}

func samples(ctx context.Context, conn *pgx.Conn) ([]Sample, error) {
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, "SELECT ms, sessions FROM sample_sessions()")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Sample, err error) {
		var ms float64
		err = row.Scan(&ms, &s.Sessions)
		s.At = time.Duration(ms * float64(time.Millisecond))
		return s, err
	})
}

// Stop ends the watch and returns what it saw.
func (w *Watch) Stop(ctx context.Context) ([]Sample, error) {
	err := w.holder.Close(ctx)
	<-w.done
	return w.seen, errors.Join(err, w.err)
}
