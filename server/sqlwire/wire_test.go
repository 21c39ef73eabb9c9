package sqlwire_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

// script is a server that answers each Sync or Query with the next of its answers, whatever was asked, and then says nothing more.
type script [][]pgproto3.BackendMessage

// dial starts the script and returns a connection to it.
func (s script) dial(t *testing.T) *pgconn.PgConn {
	t.Helper()
	cfg, err := pgconn.ParseConfig("postgres://u:p@fake/db?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	cfg.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"fake"}, nil }
	cfg.DialFunc = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go s.serve(server)
		return client, nil
	}
	pg, err := pgconn.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return pg
}

func (s script) serve(conn net.Conn) {
	backend := pgproto3.NewBackend(conn, conn)
	if _, err := backend.ReceiveStartupMessage(); err != nil {
		_ = conn.Close()
		return
	}
	backend.Send(&pgproto3.AuthenticationOk{})
	backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	_ = backend.Flush()
	for {
		msg, err := backend.Receive()
		if err != nil {
			_ = conn.Close()
			return
		}
		if _, sync := msg.(*pgproto3.Sync); !sync || len(s) == 0 {
			continue
		}
		for _, answer := range s[0] {
			backend.Send(answer)
		}
		s = s[1:]
		_ = backend.Flush()
	}
}

func tag(s string) *pgproto3.CommandComplete { return &pgproto3.CommandComplete{CommandTag: []byte(s)} }

func ready(status byte) *pgproto3.ReadyForQuery { return &pgproto3.ReadyForQuery{TxStatus: status} }

// TestWhatNobodyThoughtOfIsRefusedOnTheWire has a server do what the refusals by a statement's first words are there to prevent.
func TestWhatNobodyThoughtOfIsRefusedOnTheWire(t *testing.T) {
	t.Parallel()
	type messages = []pgproto3.BackendMessage
	outOfStep := func(err error) bool { return errors.Is(err, sqlwire.ErrOutOfStep) }
	tests := map[string]struct {
		server script
		req    sqlwire.Request
		check  func(error) bool
	}{
		"data of COPY TO comes": {
			script{messages{
				&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, &pgproto3.NoData{}, &pgproto3.CopyOutResponse{}, &pgproto3.CopyData{Data: []byte("1\n")},
				&pgproto3.CopyDone{}, tag("COPY 1"), ready('I'),
			}},
			single("magic"), func(err error) bool { return errors.Is(err, sqlwire.ErrCopy) },
		},
		"COPY FROM waits for data": {
			script{messages{&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, &pgproto3.NoData{}, &pgproto3.CopyInResponse{}}},
			single("magic"), func(err error) bool { return errors.Is(err, context.DeadlineExceeded) },
		},
		"a batch's transaction ends": {
			script{messages{tag("BEGIN"), tag("COMMIT"), ready('I')}},
			batch("magic"), outOfStep,
		},
		"a batch is not committed": {
			script{messages{tag("BEGIN"), tag("SET"), ready('T')}, messages{tag("ROLLBACK"), ready('I')}},
			batch("magic"), outOfStep,
		},
		"a result is missing": {
			script{messages{tag("BEGIN"), tag("SET"), ready('T')}, messages{tag("COMMIT"), ready('I')}},
			batch("magic", "magic"), outOfStep,
		},
		"nothing but ready": {
			script{messages{ready('T')}, messages{tag("COMMIT"), ready('I')}},
			batch("magic"), outOfStep,
		},
		"COPY in a batch": {
			script{messages{tag("BEGIN"), &pgproto3.CopyOutResponse{}, &pgproto3.CopyDone{}, tag("COPY 0"), tag("SET"), ready('T')}, messages{tag("ROLLBACK"), ready('I')}},
			batch("magic", "magic"), func(err error) bool { return errors.Is(err, sqlwire.ErrCopy) },
		},
		"the connection breaks at COMMIT": {
			script{messages{tag("BEGIN"), tag("SET"), ready('T')}},
			batch("magic"), func(err error) bool {
				return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF)
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pg := tt.server.dial(t)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var dst bytes.Buffer
				outcome, err := sqlwire.Execute(ctx, pg, tt.req, sqlwire.Options{}, 0, &dst)
				if !tt.check(err) || !outcome.Discard || dst.Len() > 0 {
					t.Errorf("%v, %+v, %q", err, outcome, dst.String())
				}
				_ = pg.Close(ctx)
				<-pg.CleanupDone()
			})
		})
	}
}

// fragile panics when it is written to.
type fragile struct{ writes int }

func (f *fragile) Write([]byte) (int, error) {
	f.writes++
	panic("writer")
}

func TestNothingIsWrittenAfterAStreamPanicked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pg := script{{&pgproto3.RowDescription{}, &pgproto3.DataRow{}, tag("SELECT 1"), ready('I')}}.dial(t)
		var w fragile
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the writer's panic is lost")
				}
			}()
			_, _ = sqlwire.Stream(t.Context(), pg, query("magic"), sqlwire.Options{}, 0, &w, func() error { return nil })
		}()
		time.Sleep(time.Minute) // of the bubble's time: all timers that are left fire
		if w.writes != 1 {
			t.Errorf("%d writes", w.writes)
		}
		_ = pg.Close(t.Context())
		<-pg.CleanupDone()
	})
}
