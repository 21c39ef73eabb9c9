package handoff_test

import (
	"context"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

// verified gives the shared server certificates, runs the tests, then looks
// for goroutines that they left.
type verified struct{ *testing.M }

func (v verified) Run() int {
	before := goleak.IgnoreCurrent() // what keeps the shared server
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := certify(ctx, pgtest.Shared()); err != nil {
		println(err.Error())
		return 1
	}
	code := v.M.Run()
	if code == 0 {
		if err := goleak.Find(before); err != nil {
			println(err.Error())
			return 1
		}
	}
	return code
}

// sockets is the folder of the server's Unix socket.
var sockets string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hand")
	if err == nil {
		err = os.Chmod(dir, 0o777) // the server may run as another user
	}
	if err != nil {
		println(err.Error())
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	sockets = dir
	return pgtest.Main(verified{m}, pgtest.Options{Settings: map[string]string{"unix_socket_directories": dir}})
}
