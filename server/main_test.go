package server_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

// checked runs the tests and then looks for goroutines that they left behind.
type checked struct{ *testing.M }

func (c checked) Run() int {
	server := goleak.IgnoreCurrent() // who waits for PostgreSQL's process
	code := c.M.Run()
	if code != 0 {
		return code
	}
	if err := goleak.Find(server); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func TestMain(m *testing.M) { os.Exit(pgtest.Main(checked{m}, pgtest.Options{})) }
