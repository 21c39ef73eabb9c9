package control_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// wire is a way to the database that can be cut in silence: what is sent is
// lost, and nothing comes, without an error.
type wire struct {
	mu    sync.Mutex
	conns []*cutConn
	mute  atomic.Bool // for new connections
}

type cutConn struct {
	net.Conn
	cut  chan struct{}
	once sync.Once
}

func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if w.mute.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := &cutConn{Conn: conn, cut: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, c)
	if w.mute.Load() { // meanwhile, and a cut has missed it
		c.once.Do(func() { close(c.cut) })
	}
	return c, nil
}

// cut silences the connections that are there.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.once.Do(func() { close(c.cut) })
	}
}

func (c *cutConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	select {
	case <-c.cut:
	default:
		return n, err
	}
	for err == nil { // what came is lost; a deadline or Close ends it
		_, err = c.Conn.Read(b)
	}
	return 0, err
}

func (c *cutConn) Write(b []byte) (int, error) {
	select {
	case <-c.cut:
		return len(b), nil
	default:
		return c.Conn.Write(b)
	}
}

func TestAListenerThatWasCutInSilenceIsFoundOutWithinThePoll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	way := &wire{}
	d := w.database(poll(3 * time.Second))
	d.Through(way.dial)
	must(t, d.Open(soon(t)))
	t.Cleanup(d.Close)
	other := w.open()
	create(t, other, record("acme"))
	must(t, d.Load(soon(t)))
	update(t, other, "acme", func(r *control.Record) { r.Name = "heard of" })
	until(t, "the listener listens", func() bool {
		known, err := d.List(t.Context(), id("a"), 1)
		return err == nil && len(known) == 1 && known[0].Name == "heard of"
	})
	way.cut()
	update(t, other, "acme", func(r *control.Record) { r.State = registry.StatusSuspended })
	until(t, "the suspension is known", func() bool { return d.Count()[registry.StatusSuspended] == 1 })
}

// The change is heard of and applied, and the way is cut before the others
// could be told so.
func TestAWayThatIsCutWhileAChangeIsNotedIsFoundOutWithinThePoll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	way := &wire{}
	d := w.database(poll(3 * time.Second))
	d.Through(way.dial)
	must(t, d.Open(soon(t)))
	t.Cleanup(d.Close)
	other := w.open()
	create(t, other, record("acme"))
	must(t, d.Load(soon(t)))
	held, err := w.conn().Begin(t.Context())
	must(t, err)
	defer func() { _ = held.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = held.Exec(t.Context(), "SELECT FROM poolkeeper.replicas FOR UPDATE") // notes wait
	must(t, err)
	update(t, other, "acme", func(r *control.Record) { r.Name = "heard of" })
	until(t, "the change is applied", func() bool {
		known, err := d.List(t.Context(), id("a"), 1)
		return err == nil && len(known) == 1 && known[0].Name == "heard of"
	})
	way.cut()
	must(t, held.Rollback(t.Context()))
	update(t, other, "acme", func(r *control.Record) { r.State = registry.StatusSuspended })
	until(t, "the suspension is known", func() bool { return d.Count()[registry.StatusSuspended] == 1 })
}

func TestADatabaseThatIsSilentFromTheStartIsAnErrorSoon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	way := &wire{}
	way.mute.Store(true)
	d := w.database()
	d.Through(way.dial)
	opened := make(chan error, 1)
	go func() { opened <- d.Open(t.Context()) }()
	select {
	case err := <-opened:
		if err == nil || !strings.Contains(err.Error(), "opening the control database") {
			t.Errorf("opened: %v", err)
		}
	case <-time.After(tooLong):
		t.Error("it waits without end")
	}
}

// A transaction that somebody left open by hand holds the turn of all writers.
func TestWritersThatAreHeldUpFailAndKeepNobodyElseWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.open(ttl(2 * time.Second))
	create(t, d, record("acme"))
	locked, unlock, err := d.Lock(t.Context(), id("globex"), "work")
	must(t, err)
	defer unlock()
	held, err := w.conn().Begin(t.Context())
	must(t, err)
	defer func() { _ = held.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = held.Exec(t.Context(), "UPDATE poolkeeper.tenants SET name = name || '!'")
	must(t, err)

	failed := make(chan error, 8)
	for range cap(failed) {
		go func() {
			_, err := d.Update(t.Context(), id("acme"), 0, func(r *control.Record) error { r.Name += "?"; return nil })
			failed <- err
		}()
	}
	until(t, "two wait for their turn", func() bool {
		var n int
		must(t, held.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted").Scan(&n))
		return n == 2
	})
	if r := read(t, d, "acme"); r.Name != "acme" {
		t.Errorf("read meanwhile: %q", r.Name)
	}
	if err := <-failed; !errors.Is(err, control.ErrHeldUp) {
		t.Errorf("held up: %v", err)
	}
	if locked.Err() != nil {
		t.Errorf("the heartbeat was held up, too: %v", context.Cause(locked))
	}
	must(t, held.Rollback(t.Context()))
	for range cap(failed) - 1 {
		if err := <-failed; err != nil && !errors.Is(err, control.ErrHeldUp) {
			t.Error(err)
		}
	}
}
