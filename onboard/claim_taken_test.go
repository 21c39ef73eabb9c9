package onboard_test

import (
	"errors"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Where the spare has gone, a login with the tenant's name looks as if an
// earlier call had claimed it. It may as well be somebody's.
func TestAClaimWithoutItsSpareTakesNobodysLogin(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"made by hand":   "CREATE ROLE NAME LOGIN PASSWORD 'theirs'",
		"another's":      "CREATE ROLE NAME LOGIN PASSWORD 'theirs'; COMMENT ON ROLE NAME IS 'poolkeeper: login of tenant other in database DB'",
		"a database ago": "CREATE ROLE NAME LOGIN PASSWORD 'theirs'; COMMENT ON ROLE NAME IS 'poolkeeper: login of tenant other in database gone'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			spare, a := w.tenant("spare", registry.IsolationSchema), w.tenant("a", registry.IsolationSchema)
			w.super(replaceNames(sql, spare, a))
			before := w.state()
			if err := w.provisioner(onboard.Config{}).Claim(t.Context(), spare, a); !errors.Is(err, onboard.ErrConflict) {
				t.Errorf("got %v", err)
			}
			sameState(t, before, w.state())
		})
	}
}
