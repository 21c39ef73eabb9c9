package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/pools"
)

// Criterion: kill the server under load and start it again. Errors are typed
// and quick, with Retry-After; then everything works without a restart, and
// nothing is left on the server.
func TestAnOutageUnderLoadIsReportedQuicklyAndHealsByItself(t *testing.T) {
	server, err := pgtest.Start(t.Context(), pgtest.Options{Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	f := newFleetOn(t, server, func(c *pools.Config) { c.BackoffMax = 500 * time.Millisecond }, repeat(8, "own", "database")...)
	load := &load{f: f, url: gateway(t, f), client: client(t)}
	load.start(t)
	load.until(t, "the load has begun", func() bool { return load.ok.Load() > 200 })

	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	load.until(t, "the outage is reported", func() bool { return load.down.Load() > 50 })
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := load.ok.Load()
	load.until(t, "the load goes on", func() bool { return load.ok.Load() > seen+200 })
	load.stop()

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := f.Close(ctx); err != nil {
		t.Error(err)
	}
	nothingLeft(t, f)
}

// load asks for rows all the time and sorts the answers.
type load struct {
	f      *fleet
	url    string
	client *http.Client

	ok, down atomic.Int64
	stopped  atomic.Bool
	workers  sync.WaitGroup
}

func (l *load) start(t *testing.T) {
	t.Cleanup(l.stop)
	for worker := range 16 {
		l.workers.Go(func() {
			for i := worker; !l.stopped.Load(); i++ {
				mark := []string{"own", "database"}[i%2]
				l.ask(t, fmt.Sprintf("%s-%d", mark, i%8))
			}
		})
	}
}

func (l *load) stop() {
	l.stopped.Store(true)
	l.workers.Wait()
}

func (l *load) until(t *testing.T, what string, reached func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for !reached() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// ask expects rows, or 503 with Retry-After, and neither late.
func (l *load) ask(t *testing.T, name string) {
	began := time.Now()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.url+"/t/"+name+"/sql",
		strings.NewReader(`{"query":"SELECT tenant FROM items"}`))
	if err != nil {
		t.Error(err)
		return
	}
	res, err := l.client.Do(req)
	if err != nil {
		t.Errorf("tenant %s: %v", name, err)
		return
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		t.Errorf("tenant %s: %v", name, err)
	case res.StatusCode == http.StatusOK:
		l.ok.Add(1)
	case res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "":
		l.down.Add(1)
	default:
		t.Errorf("tenant %s is answered %d %s", name, res.StatusCode, text)
		l.stopped.Store(true)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("tenant %s: an answer took %v", name, took)
	}
}

// nothingLeft checks that the server has no session of the fleet's logins.
func nothingLeft(t *testing.T, f *fleet) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, f.server.AdminDSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	for {
		var left int
		// Other tests have sessions on a server that is shared.
		err := c.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'
			AND usename <> 'postgres' AND (datname = $1::text OR starts_with(usename, $1 || '_'))`, f.database).Scan(&left)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			t.Fatal("sessions are left on the server")
		case err != nil:
			t.Fatal(err)
		case left == 0:
			return
		}
	}
}
