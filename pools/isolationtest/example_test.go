package isolationtest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/poolkeeper/poolkeeper/pools/isolationtest"
)

// A program whose records send two tenants to one schema, by mistake. Where
// there is a *testing.T, isolationtest.Run does the same in subtests.
func ExampleCheck() {
	t := &stage{}
	defer t.end()
	s := newSite(t) // a server with the tenants a and b, and the table notes for each
	s.schemas(t, false)
	s.records[id("b")].Schema = "a"

	err := isolationtest.Check(context.Background(), isolationtest.Setup{
		Keeper: s.setup(t).Keeper, A: id("a"), B: id("b"),
		Table: "notes", Column: "body",
	})
	what, _, _ := strings.Cut(err.Error(), " with the marker")
	fmt.Println(what)
	// Output: the same names hold each tenant's own rows: tenant b has 1 rows
}

// stage is what pgtest needs of a test, for an example.
type stage struct{ cleanups []func() }

func (*stage) Helper()                           {}
func (*stage) Name() string                      { return "example" }
func (*stage) Context() context.Context          { return context.Background() }
func (s *stage) Cleanup(fn func())               { s.cleanups = append(s.cleanups, fn) }
func (*stage) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (s *stage) end() {
	for _, cleanup := range slices.Backward(s.cleanups) {
		cleanup()
	}
}
