//go:build fetch

package pgtest_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

// The tag says that the npm client is here and reaches a registry.
func TestTheRealBuildIsFetchedAndRuns(t *testing.T) {
	t.Setenv(pgtest.EnvBin, "")
	cache := filepath.Join(passable(t), "cache")
	bin, err := pgtest.Fetch(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	srv := start(t, pgtest.Options{Bin: bin.Dir})
	if got := ask(t, srv.AdminDSN(""), "select version()"); !strings.Contains(got, "PostgreSQL "+bin.Version) {
		t.Errorf("it runs %s, not %s", got, bin.Version)
	}
	if got := ask(t, srv.AdminDSN(""), `select upper('ß' collate "de-x-icu")`); got != "SS" {
		t.Errorf("ICU is missing: upper gives %q", got)
	}
}
