package control_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry/control"
)

// door is a way to the database that can be shut.
type door struct {
	mu    sync.Mutex // guards what follows
	shut  bool
	conns []net.Conn
}

var errShut = errors.New("the door is shut")

func (d *door) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return nil, errShut
	}
	var to net.Dialer
	conn, err := to.DialContext(ctx, network, addr)
	if err == nil {
		d.conns = append(d.conns, conn)
	}
	return conn, err
}

// close shuts out those who are in, too.
func (d *door) close(shut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = shut
	for _, conn := range d.conns {
		_ = conn.Close() // it may be closed already
	}
	d.conns = nil
}

func TestWhetherChangesAreHeardOfIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	way := &door{}
	d := w.database(poll(time.Second))
	d.Through(way.dial)
	if got := d.Following(); got != (control.Following{}) {
		t.Errorf("before it is open: %+v", got)
	}
	must(t, d.Open(soon(t)))
	t.Cleanup(d.Close)
	begun := time.Now()
	must(t, d.Load(soon(t)))
	until(t, "it listens", func() bool { return d.Following().Listening })
	first := d.Following()
	if !first.Fresh || first.Confirmed.Before(begun) || first.Confirmed.After(time.Now()) {
		t.Errorf("loaded at %s: %+v", begun, first)
	}
	way.close(true)
	until(t, "it is told that nothing is heard", func() bool { return !d.Following().Listening })
	until(t, "what is known is old", func() bool { return !d.Following().Fresh })
	way.close(false)
	until(t, "it listens again", func() bool {
		now := d.Following()
		return now.Listening && now.Fresh && now.Confirmed.After(first.Confirmed)
	})
}
