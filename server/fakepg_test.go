package server_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// fakeBackend is a PostgreSQL that understands a few words:
//
//	one                   one row: {"n": "1"}
//	echo                  one row with the first parameter
//	rows N                N rows of a number
//	wide N                one row of N bytes
//	raise SEVERITY CODE … an error with that SQLSTATE, and the words in its message
//	sleep                 nothing, until the connection is closed
//	drop                  the connection breaks
//
// and transactions.
type fakeBackend struct {
	*pgproto3.Backend
	conn   net.Conn
	status byte
	failed bool // skip to the next Sync
	sql    string
	param  []byte
	asleep *atomic.Bool // in the statement sleep
}

// newFakeSession connects a real driver to a fakeBackend.
func newFakeSession(ctx context.Context) (*fakeSession, error) {
	f := &fakeSession{}
	config, err := pgx.ParseConfig("postgres://tenant:secret@fake.invalid/tenant?sslmode=disable")
	if err != nil {
		return nil, err
	}
	config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"192.0.2.1"}, nil }
	config.DialFunc = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		if f.socket == nil { // later ones are cancel requests
			f.socket = client
		}
		go serveFake(server, &f.asleep)
		return client, nil
	}
	f.conn, err = pgx.ConnectConfig(ctx, config)
	return f, err
}

func serveFake(conn net.Conn, asleep *atomic.Bool) {
	defer conn.Close()
	b := &fakeBackend{Backend: pgproto3.NewBackend(conn, conn), conn: conn, status: 'I', asleep: asleep}
	if message, err := b.ReceiveStartupMessage(); err != nil {
		return
	} else if _, start := message.(*pgproto3.StartupMessage); !start {
		return // a cancel request, which it ignores: hanging up ends its statements
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{0, 0, 0, 1}})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: b.status})
	for b.Flush() == nil {
		if err := b.serveOne(); err != nil {
			return
		}
	}
}

var errHangUp = errors.New("hang up")

func (b *fakeBackend) serveOne() error {
	message, err := b.Receive()
	if err != nil {
		return err
	}
	switch m := message.(type) {
	case *pgproto3.Sync:
		b.failed = false
		b.Send(&pgproto3.ReadyForQuery{TxStatus: b.status})
	case *pgproto3.Query:
		b.sql = m.String
		err = b.execute()
		b.failed = false
		b.Send(&pgproto3.ReadyForQuery{TxStatus: b.status})
	case *pgproto3.Terminate:
		return errHangUp
	case *pgproto3.Parse:
		b.sql = m.Query
		b.sendUnlessFailed(&pgproto3.ParseComplete{})
	case *pgproto3.Bind:
		b.param = nil
		if len(m.Parameters) > 0 {
			b.param = append([]byte{}, m.Parameters[0]...)
		}
		b.sendUnlessFailed(&pgproto3.BindComplete{})
	case *pgproto3.Describe:
		b.describe()
	case *pgproto3.Execute:
		if !b.failed {
			err = b.execute()
		}
	}
	return err
}

func (b *fakeBackend) sendUnlessFailed(m pgproto3.BackendMessage) {
	if !b.failed {
		b.Send(m)
	}
}

func (b *fakeBackend) describe() {
	word, _, _ := strings.Cut(b.sql, " ")
	switch strings.ToLower(word) {
	case "one", "echo", "rows", "wide":
		b.sendUnlessFailed(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{
			{Name: []byte("n"), DataTypeOID: 25, DataTypeSize: -1, TypeModifier: -1},
		}})
	default:
		b.sendUnlessFailed(&pgproto3.NoData{})
	}
}

func (b *fakeBackend) execute() error {
	word, rest, _ := strings.Cut(b.sql, " ")
	n, _ := strconv.Atoi(rest)
	switch strings.ToLower(word) {
	case "one":
		return b.rows([]byte("1"))
	case "echo":
		return b.rows(b.param)
	case "rows":
		return b.count(n)
	case "wide":
		return b.rows([]byte(strings.Repeat("x", n)))
	case "raise":
		return b.raise(rest)
	case "sleep":
		if err := b.Flush(); err != nil {
			return err
		}
		b.asleep.Store(true)
		_, err := b.Receive() // until the client hangs up
		return err
	case "drop":
		return errHangUp
	}
	return b.transaction(strings.ToLower(word))
}

func (b *fakeBackend) rows(values ...[]byte) error {
	for _, v := range values {
		b.Send(&pgproto3.DataRow{Values: [][]byte{v}})
	}
	b.Send(&pgproto3.CommandComplete{CommandTag: fmt.Appendf(nil, "SELECT %d", len(values))})
	return nil
}

func (b *fakeBackend) count(n int) error {
	for i := range n {
		b.Send(&pgproto3.DataRow{Values: [][]byte{strconv.AppendInt(nil, int64(i), 10)}})
		if i%100 == 99 {
			if err := b.Flush(); err != nil {
				return err
			}
		}
	}
	b.Send(&pgproto3.CommandComplete{CommandTag: fmt.Appendf(nil, "SELECT %d", n)})
	return nil
}

func (b *fakeBackend) raise(what string) error {
	severity, rest, _ := strings.Cut(what, " ")
	code, words, _ := strings.Cut(rest, " ")
	b.Send(&pgproto3.ErrorResponse{
		Severity: severity, SeverityUnlocalized: severity, Code: code, Message: strings.TrimSpace("raised " + code + " " + words),
		Detail: "parameter-in-detail", Hint: "a hint", Position: 7, File: "fake.c", Line: 42, Routine: "raise",
	})
	b.failed = true
	if b.status == 'T' {
		b.status = 'E'
	}
	if severity == "FATAL" {
		_ = b.Flush()
		return errHangUp
	}
	return nil
}

func (b *fakeBackend) transaction(word string) error {
	tag := strings.ToUpper(word)
	switch word {
	case "begin":
		b.status = 'T'
	case "commit", "rollback":
		b.status = 'I'
	}
	b.Send(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
	return nil
}

// fakeSession is a connection to a fake PostgreSQL, and remembers how it was
// given back.
type fakeSession struct {
	conn      *pgx.Conn
	socket    net.Conn
	walled    error
	discarded atomic.Bool
	asleep    atomic.Bool
	released  atomic.Int32
}

func (f *fakeSession) Conn() *pgx.Conn { return f.conn }
func (f *fakeSession) Walled() error   { return f.walled }
func (f *fakeSession) Discard()        { f.discarded.Store(true) }
func (f *fakeSession) Release()        { f.released.Add(1) }

// end closes the connection and waits for what the driver does about it.
func (f *fakeSession) end() {
	_ = f.socket.Close()
	_ = f.conn.Close(context.Background())
	<-f.conn.PgConn().CleanupDone()
}
