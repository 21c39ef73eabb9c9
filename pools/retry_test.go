package pools_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
)

// refusal is an error of PostgreSQL's, wrapped as a program might.
func refusal(code string) error {
	return fmt.Errorf("moving money: %w", &pgconn.PgError{Severity: "ERROR", Code: code, Message: "not now"})
}

func TestOnlyATransactionThatMaySucceedNextTimeIsRunAgain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		runs int
	}{
		{nil, 1},
		{refusal("40001"), 5},
		{refusal("40P01"), 5},
		{refusal("40002"), 1},
		{refusal("23505"), 1},
		{refusal("57014"), 1},
		{io.ErrUnexpectedEOF, 1}, // it may have been committed
		{errors.New("40001"), 1},
		{pgx.ErrTxCommitRollback, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			runs := 0
			err := pools.Retry{}.Do(t.Context(), func() error { runs++; return test.err })
			if runs != test.runs || !errors.Is(err, test.err) {
				t.Errorf("%v: ran %d times and ended with %v", test.err, runs, err)
			}
		})
	}
}

func TestTheWaitBetweenTwoRunsGrowsAndIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		r := pools.Retry{Attempts: 8, Wait: 100 * time.Millisecond, MaxWait: time.Second}
		_ = r.Do(t.Context(), func() error { at = append(at, time.Now()); return refusal("40001") })
		differ := false
		for i, longest := range []time.Duration{100, 200, 400, 800, 1000, 1000, 1000} {
			longest *= time.Millisecond
			took := at[i+1].Sub(at[i])
			if took < longest/2 || took > longest {
				t.Errorf("wait %d took %v, want %v to %v", i+1, took, longest/2, longest)
			}
			differ = differ || took != longest
		}
		if !differ {
			t.Error("no wait was drawn at random")
		}
	})
}

func TestAContextThatEndsEndsTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		err := pools.Retry{Wait: time.Hour, MaxWait: time.Hour}.Do(ctx, func() error { return refusal("40P01") })
		if !errors.Is(err, context.DeadlineExceeded) || !pools.Retryable(err) {
			t.Errorf("error is %v; want the context's and the last one", err)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

// Each run is a transaction of its own, and between two of them nothing is
// held.
func TestATransactionIsRunAgainAsAWhole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		runs := 0
		w.server.Script("update", func(*poolstest.Session) error {
			if runs++; runs < 3 {
				return poolstest.Fail("40001", "could not serialize access")
			}
			return nil
		})
		l := w.lease(t, "t00")
		err := l.InTxRetry(t.Context(), pgx.TxOptions{}, func(tx pgx.Tx) error {
			if s := w.Stats()[0]; s.Acquired != 1 {
				t.Errorf("run %d holds %d connections", runs+1, s.Acquired)
			}
			_, err := tx.Conn().PgConn().Exec(t.Context(), "update").ReadAll()
			return err
		})
		mustBe(t, err, nil)
		if runs != 3 || w.Stats()[0].Acquired != 0 {
			t.Errorf("%d runs; %+v", runs, w.Stats()[0])
		}
		l.Release()
		w.endWithin(t, 200)
	})
}

func TestASettingThatIsNotTheCallersIsRefusedBeforeAnythingIsDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		l := w.lease(t, "t00")
		for _, name := range []string{
			"search_path", "role", "session_authorization", "statement_timeout", "", ".", "app.", "app user.x", "app.x; reset all",
			"app.tenant_id", "App.Tenant_ID", "app.naïve", "pg_catalog.x y", "x." + string(make([]byte, 63)),
		} {
			err := l.InTxWith(t.Context(), pgx.TxOptions{}, map[string]string{"app.user": "x", name: "secret"}, func(pgx.Tx) error {
				t.Errorf("%q was set", name)
				return nil
			})
			mustBe(t, err, pools.ErrSetting)
		}
		err := l.InTxWith(t.Context(), pgx.TxOptions{}, map[string]string{"app.user": "sec\x00ret"}, nil)
		mustBe(t, err, pools.ErrSetting)
		if n := w.server.Dials(); n != 0 {
			t.Errorf("%d connections were opened for it", n)
		}
		mustBe(t, l.InTxWith(t.Context(), pgx.TxOptions{}, nil, func(pgx.Tx) error { return nil }), nil)
		l.Release()
		w.endWithin(t, 200)
	})
}
