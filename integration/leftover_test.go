package integration_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/router"
)

// forgetful are handlers that leave something open: at their end, or by a
// panic.
func forgetful() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, leave func(*http.Request, *pools.Lease) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			l, err := router.Lease(r.Context())
			if err == nil {
				err = leave(r, l)
			}
			if err != nil {
				router.WriteProblem(w, r, router.ProblemOf(err))
			}
		})
	}
	handle("/transaction", func(r *http.Request, l *pools.Lease) error {
		tx, err := l.Begin(r.Context())
		if err != nil {
			return err
		}
		if _, err := tx.Exec(r.Context(), "UPDATE items SET id = id"); err != nil {
			return err
		}
		panic("a handler's mistake")
	})
	handle("/rows", func(r *http.Request, l *pools.Lease) error {
		rows, err := l.Query(r.Context(), "SELECT tenant FROM items, generate_series(1, 1000)") //nolint:rowserrcheck // they are forgotten, as a whole
		if err != nil {
			return err
		}
		rows.Next()
		return nil
	})
	handle("/connection", func(r *http.Request, l *pools.Lease) error {
		_, err := l.Acquire(r.Context())
		return err
	})
	return mux
}

// What a handler forgets must not cost its tenant a connection each time: the
// others of the tenant would soon be refused, for as long as it is busy.
func TestWhatAHandlerLeavesOpenIsTheTenantsAgain(t *testing.T) {
	f := newFleet(t, func(c *pools.Config) { c.MaxConns = 2 }, "own")
	ts := httptest.NewUnstartedServer(newRouter(t, f).Middleware(forgetful()))
	ts.Config.ErrorLog = log.New(io.Discard, "", 0) // some panic
	ts.Start()
	t.Cleanup(ts.Close)
	c, name := client(t), "own-0"
	for range 4 {
		for _, path := range []string{"/transaction", "/rows", "/connection"} {
			status, text, err := visit(t.Context(), c, ts.URL+path, name)
			if path == "/transaction" && err == nil || path != "/transaction" && (err != nil || status != http.StatusOK) {
				t.Fatalf("%s: %d %s %v", path, status, text, err)
			}
		}
	}
	l := f.lease(t, name)
	defer l.Release()
	if got := owner(t, l); got != name {
		t.Errorf("the rows are of %s, want %s", got, name)
	}
}
