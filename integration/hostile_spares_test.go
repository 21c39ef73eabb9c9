//go:build setuser

package integration_test

import (
	"testing"

	"github.com/poolkeeper/poolkeeper/pools"
)

// A spare skips the password, and with it until when that is valid.
func TestASpareIsNotForALoginWhosePasswordHasExpired(t *testing.T) {
	t.Parallel()
	s := newSpared(t, newGate(t, nil), nil)
	for until, want := range map[string]string{"infinity": pools.StartSpare, "2999-12-31": pools.StartSpare, "2001-01-01": ""} {
		name := "acme"
		if want == "" {
			name = "globex"
		}
		s.awaitSpares(t, spareCount)
		s.gate.admin(t, "ALTER ROLE "+name+" VALID UNTIL 'infinity'")
		s.Evict(id(name))
		if _, err := s.with(t, name, nil); err != nil {
			t.Fatal(err)
		}
		s.gate.admin(t, "ALTER ROLE "+name+" VALID UNTIL '"+until+"'")
		s.cold(t, name)
		start, err := s.with(t, name, nil)
		if got := start == pools.StartSpare; got != (want == pools.StartSpare) {
			t.Errorf("valid until %s: it came by its connection by %q, %v", until, start, err)
		}
	}
	s.closed(t)
}
