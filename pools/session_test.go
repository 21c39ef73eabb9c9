package pools_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestACancelThatCameBeforeItsStatementIsSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxConns = 1 })
		defer w.end(t)
		w.server.Script("late", func(s *poolstest.Session) error {
			_ = poolstest.Hang(s) // ignored, as by a server that has nothing to cancel yet
			_ = poolstest.Hang(s)
			return poolstest.Hang(s)
		})
		l := w.lease(t, "t01")
		defer l.Release()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := l.Exec(ctx, "late")
		if pg := new(pgconn.PgError); !errors.As(err, &pg) || pg.Code != "57014" {
			t.Errorf("error is %v", err)
		}
		if took := time.Since(began); took != 1750*time.Millisecond {
			t.Errorf("it took %v, want the deadline and two pauses", took)
		}
		if _, err := l.Exec(t.Context(), "select 1"); err != nil || w.server.Startups() != 1 {
			t.Errorf("%v, %d connections", err, w.server.Startups())
		}
	})
}

func TestAStatementThrownAwayBehindTheDriversBackCostsTheConnection(t *testing.T) {
	t.Parallel()
	for _, trust := range []pools.SQL{pools.Untrusted, pools.Trusted} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 18, func(c *pools.Config) { c.SQL, c.MaxConns = trust, 1 })
			defer w.end(t)
			l := w.lease(t, "t01")
			defer l.Release()
			for _, sql := range []string{"DISCARD ALL", "select 1"} {
				if _, err := l.Exec(t.Context(), sql); err != nil {
					t.Error(err)
				}
			}
			if w.server.Startups() != 2 {
				t.Errorf("%s: the driver still believes in statements that are gone", trust)
			}
		})
	}
}

func TestADiscardedConnectionIsNotLentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		l := w.lease(t, "t01")
		defer l.Release()
		c, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.Discard()
		c.Release()
		c.Release()
		if _, err := l.Exec(t.Context(), "select 1"); err != nil || w.server.Startups() != 2 {
			t.Errorf("error %v, %d connections", err, w.server.Startups())
		}
	})
}

func TestSurplusConnectionsOfABusyTenantAreClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		l := w.lease(t, "t01")
		held := take(t, l, 4)
		for _, c := range held {
			c.Release()
		}
		l.Release()
		for range 20 {
			time.Sleep(time.Minute)
			if err := w.run(t, "t01", "select 1"); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := w.server.Open(); n != 1 {
			t.Errorf("%d connections are open, one is in use", n)
		}
	})
}

func TestAServerThatComesBackIsUsedAgainWithoutARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		if err := w.run(t, "t01", "select 1"); err != nil {
			t.Fatal(err)
		}
		w.server.Stop()
		if err := w.run(t, "t01", "select 1"); !errors.Is(err, pools.ErrDatabase) && !pools.ConnLost(err) {
			t.Errorf("error is %v", err)
		}
		w.server.Resume()
		time.Sleep(10 * time.Second)
		if err := w.run(t, "t01", "select 1"); err != nil {
			t.Errorf("after the server came back: %v", err)
		}
	})
}

func TestAServerThatRefusesStartUpParametersIsPinnedAfterConnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := newWorld(t, 15, func(c *pools.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		defer w.end(t)
		w.server.OnStart(func(s *poolstest.Session) error {
			if s.Settings["search_path"] != "" {
				return poolstest.Fail("08P01", "unsupported startup parameter: search_path")
			}
			return nil
		})
		if err := w.run(t, "t01", "select 1"); err != nil {
			t.Error(err)
		}
		if !strings.Contains(log.String(), "pinned after connect alone") {
			t.Errorf("nothing was said: %s", log.String())
		}
	})
}

func TestASharedLoginCarriesNothingOfTheTenantsInItsStartUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		shared := tenant("t01")
		shared.Login, shared.SharedLogin, shared.Isolation = "", true, registry.IsolationRow
		w.records.put(shared)
		seen := make(chan map[string]string, 2)
		w.server.OnStart(func(s *poolstest.Session) error { seen <- maps.Clone(s.Settings); return nil })
		for _, name := range []string{"t01", "t02"} {
			if err := w.run(t, name, "select 1"); err != nil {
				t.Fatal(err)
			}
		}
		if p := <-seen; p["search_path"] != `""` || p["app.tenant_id"] != "" || p["user"] != "shared" {
			t.Errorf("shared start-up is %v", p)
		}
		if p := <-seen; p["search_path"] != `"t02"` || p["user"] != "t02" {
			t.Errorf("own start-up is %v", p)
		}
	})
}

func TestConnLostTellsABrokenConnectionFromARefusedStatement(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want bool
	}{
		{io.ErrUnexpectedEOF, true},
		{&net.OpError{Op: "read", Err: errors.New("reset")}, true},
		{&pgconn.PgError{Code: "57P01", Severity: "FATAL"}, true},
		{&pgconn.PgError{Code: "57P01", Severity: "ERROR"}, false}, // raised by a statement
		{&pgconn.PgError{Code: "57014"}, false},
		{&pgconn.PgError{Code: "42P01"}, false},
		{context.DeadlineExceeded, false},
		{errors.New("other"), false},
	} {
		if got := pools.ConnLost(c.err); got != c.want {
			t.Errorf("ConnLost(%v) is %v", c.err, got)
		}
	}
}

func TestADiscardBelowTheDriverIsNoticedWhenSQLIsUntrusted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.MaxConns = 1 })
		defer w.end(t)
		for _, sql := range []string{"DISCARD ALL", "select 1"} {
			if err := w.run(t, "t01", sql); err != nil {
				t.Fatal(err)
			}
		}
		if w.server.Startups() != 2 || w.seen.count("drift statements") != 1 {
			t.Errorf("%d connections, observed %v", w.server.Startups(), w.seen.counts)
		}
	})
}

func TestAPoolThatClosesWhileItConnectsIsNoFailureOfTheDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		defer w.end(t)
		pinning := make(chan struct{})
		w.server.Script(`SET search_path TO "t01"`, func(s *poolstest.Session) error {
			close(pinning)
			return poolstest.Hang(s)
		})
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			l, err := w.Lease(ctx, id("t01"))
			if err == nil {
				_, err = l.Exec(ctx, "select 1")
				l.Release()
			}
			left <- err
		}()
		<-pinning
		cancel() // the caller leaves, the connection goes on being made
		mustBe(t, <-left, context.Canceled)
		w.Evict(id("t01"))
		synctest.Wait()
		w.server.Script(`SET search_path TO "t01"`, nil)
		if err := w.run(t, "t01", "select 1"); err != nil {
			t.Error(err)
		}
	})
}

func TestAConnectionIsReplacedAtItsAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { c.ConnLifetime = time.Minute })
		defer w.end(t)
		for range 2 {
			if err := w.run(t, "t01", "select 1"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
		}
		synctest.Wait()
		if w.server.Startups() != 2 || w.seen.count("closed lifetime") != 1 {
			t.Errorf("%d connections, observed %v", w.server.Startups(), w.seen.counts)
		}
	})
}
