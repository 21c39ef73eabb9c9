package budget_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// A failure prints the seed to repeat it with; no files are left.
	_ = flag.Set("rapid.nofailfile", "true")
	goleak.VerifyTestMain(m)
}
