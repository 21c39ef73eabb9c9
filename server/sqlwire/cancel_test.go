package sqlwire_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

// deaf does not hear that a context ended, so that the statement runs to its end.
type deaf struct{}

func (deaf) HandleCancel(context.Context) {}
func (deaf) HandleUnwatchAfterCancel()    {}

func TestACancelThatCameTooLateLeavesTheConnectionInDoubt(t *testing.T) {
	t.Parallel()
	cfg, err := pgconn.ParseConfig(pgtest.Shared().AdminDSN(""))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cfg.BuildContextWatcherHandler = func(*pgconn.PgConn) ctxwatch.Handler { return deaf{} }
	cfg.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) { cancel() }
	pg, err := pgconn.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pg.Close(t.Context())
	outcome, err := sqlwire.Execute(ctx, pg, single("do $$ begin raise notice 'now'; end $$"), sqlwire.Options{}, 0, &bytes.Buffer{})
	if err != nil || !outcome.Discard {
		t.Errorf("%v, %+v", err, outcome)
	}
}

func TestAContextThatEndsCancelsTheStatement(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared().AdminDSN(pgtest.Shared().Database(t))
	for name, tt := range map[string]struct {
		cancels bool
		req     sqlwire.Request
		discard bool
	}{
		"by a cancel request":            {true, single("select pg_sleep(60)"), false},
		"by a cancel request in a batch": {true, batch("select 1", "select pg_sleep(60)", "select 2"), false},
		"by a deadline":                  {false, single("select pg_sleep(60)"), true},
		"by a deadline in a batch":       {false, batch("select 1", "select pg_sleep(60)"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pg := connectTo(t, dsn, tt.cancels)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var dst bytes.Buffer
			outcome, err := sqlwire.Execute(ctx, pg, tt.req, sqlwire.Options{}, 0, &dst)
			if outcome.Discard != tt.discard {
				t.Errorf("%+v", outcome)
			}
			if code := errorKeys(t, err)["code"]; code == nil || *code != "57014" {
				t.Errorf("got %v", err)
			}
			if tt.discard != errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAContextThatHasEndedSendsNothing(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, req := range []sqlwire.Request{single("select 1"), batch("select 1")} {
		outcome, err := sqlwire.Execute(ctx, pg, req, sqlwire.Options{}, 0, &bytes.Buffer{})
		if !errors.Is(err, context.Canceled) || outcome.Discard {
			t.Errorf("%v, %+v", err, outcome)
		}
	}
	one(t, pg, sqlwire.Options{}, "select 1")
}

func TestABrokenConnectionIsDiscarded(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	_, outcome, err := run(t, pg, single("select pg_terminate_backend(pg_backend_pid())"), sqlwire.Options{})
	if err == nil || !outcome.Discard {
		t.Errorf("%v, %+v", err, outcome)
	}
	_, outcome, err = run(t, pg, batch("select 1"), sqlwire.Options{})
	if err == nil || !outcome.Discard {
		t.Errorf("%v, %+v", err, outcome)
	}
}
