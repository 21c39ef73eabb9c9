package sqlwire_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

// counted counts what comes from the server.
type counted struct {
	net.Conn
	read *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func connectCounted(t *testing.T, read *atomic.Int64) *pgconn.PgConn {
	t.Helper()
	cfg, err := pgconn.ParseConfig(pgtest.Shared().AdminDSN(pgtest.Shared().Database(t)))
	if err != nil {
		t.Fatal(err)
	}
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		return counted{c, read}, err
	}
	pg, err := pgconn.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = pg.Close(context.WithoutCancel(t.Context()))
		<-pg.CleanupDone()
	})
	return pg
}

// A batch that is sent while PostgreSQL writes rows makes the driver put these
// aside until it is sent: as many as there are.
func TestABatchIsNotReadBeforeItIsSent(t *testing.T) {
	t.Parallel()
	flood := "select repeat('x', 1000) from generate_series(1, 200000)"
	small := batch(flood)
	for range 60_000 {
		small.Queries = append(small.Queries, sqlwire.Query{SQL: "select 'a query of a few bytes'"})
	}
	for name, req := range map[string]sqlwire.Request{
		"a long query follows":  batch(flood, "select 1 /* "+strings.Repeat("x", 16<<20)+" */"),
		"many queries follow":   small,
		"a long one is between": batch("select 1", "select 1 /* "+strings.Repeat("x", 1<<20)+" */", flood, "select 1 /* "+strings.Repeat("x", 16<<20)+" */"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var read atomic.Int64
			pg := connectCounted(t, &read)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			var dst bytes.Buffer
			_, err := sqlwire.Execute(ctx, pg, req, sqlwire.Options{}, 1<<20, &dst)
			if large, ok := errors.AsType[*sqlwire.TooLargeError](err); !ok || large.Max != 1<<20 {
				t.Errorf("got %v", err)
			}
			if read.Load() > 16<<20 {
				t.Errorf("%d bytes were read for an answer of at most %d", read.Load(), 1<<20)
			}
		})
	}
}
