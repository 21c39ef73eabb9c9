package onboard_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// letsNobodyIn is a server that says so before it asks for a password.
func (w *world) letsNobodyIn(code string) (dsn string) {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			backend := pgproto3.NewBackend(conn, conn)
			if _, err := backend.ReceiveStartupMessage(); err == nil {
				backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: code, Message: "not now"})
				_ = backend.Flush()
			}
			_ = conn.Close()
		}
	}()
	w.t.Cleanup(func() { _ = listener.Close(); <-done })
	return fmt.Sprintf("postgres://app:secret@%s/%s?sslmode=disable", listener.Addr(), w.database)
}

func TestAServerThatLetsNobodyInSaysNothingOfAPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := withReader(w.tenant("a", registry.IsolationSchema))
	w.provision(w.provisioner(onboard.Config{}), a)
	for _, code := range []string{"53300", "57P03"} {
		w.cluster.DSN = registry.NewSecret(w.letsNobodyIn(code))
		if works, err := w.provisioner(onboard.Config{}).ReadPasswordWorks(t.Context(), a); works || sqlState(err) != code {
			t.Errorf("%s: works: %t, %v", code, works, err)
		}
	}
}
