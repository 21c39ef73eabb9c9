package integration_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

// verified runs the tests, then looks for goroutines that they left.
type verified struct{ *testing.M }

func (v verified) Run() int {
	before := goleak.IgnoreCurrent() // what keeps the shared server
	code := v.M.Run()
	if code == 0 {
		if err := goleak.Find(before); err != nil {
			println(err.Error())
			return 1
		}
	}
	return code
}

// There is no budget for connections yet: the server has room for what the
// load tests allow themselves.
func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(killEnv); ok {
		os.Exit(runDoomed(text))
	}
	os.Exit(pgtest.Main(verified{m}, pgtest.Options{Settings: map[string]string{"max_connections": "450"}}))
}
