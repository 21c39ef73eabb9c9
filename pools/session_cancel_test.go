package pools_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
)

func TestACancelledStatementKeepsItsConnection(t *testing.T) {
	t.Parallel()
	for _, trust := range []pools.SQL{pools.Untrusted, pools.Trusted} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 18, func(c *pools.Config) { c.SQL, c.MaxConns = trust, 1 })
			defer w.end(t)
			w.server.Script("hang", poolstest.Hang)
			l := w.lease(t, "t01")
			defer l.Release()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := l.Exec(ctx, "hang")
			if pg := new(pgconn.PgError); !errors.As(err, &pg) || pg.Code != "57014" {
				t.Errorf("error is %v", err)
			}
			if _, err := l.Exec(t.Context(), "select 1"); err != nil {
				t.Error(err)
			}
			if w.server.Startups() != 1 {
				t.Error("the connection was thrown away")
			}
		})
	}
}

func TestACancelThatGetsNoAnswerEndsTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxConns = 1 })
		defer w.end(t)
		release := make(chan struct{})
		w.server.Script("deaf", func(*poolstest.Session) error { <-release; return nil })
		l := w.lease(t, "t01")
		defer l.Release()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := l.Exec(ctx, "deaf"); err == nil {
			t.Error("a statement without an answer succeeded")
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("it took %v, want the deadline and the cancel timeout", took)
		}
		close(release)
		if _, err := l.Exec(t.Context(), "select 1"); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := w.server.Count("SELECT pg_catalog.pg_terminate_backend(1)"); n != 1 || w.server.Startups() != 3 {
			t.Errorf("the server was asked %d times to end the session, %d connections in all", n, w.server.Startups())
		}
	})
}
