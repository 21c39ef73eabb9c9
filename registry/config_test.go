package registry_test

import (
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

func TestTheDefaultsAreValid(t *testing.T) {
	t.Parallel()
	must(t, registry.Defaults().Validate())
}

func TestABadConfigNamesEachField(t *testing.T) {
	t.Parallel()
	bad := registry.Config{LookupTimeout: -1, NegativeTTL: 0, Size: 0, StaleFor: -time.Second, TTL: 0}
	want := `registry.lookup_timeout: is -1ns; it must be more than 0s, such as 5s
registry.negative_ttl: is 0s; it must be more than 0s, such as 5s
registry.size: is 0; it must be 1 to 10000000
registry.stale_for: is -1s; it must be 0s (never) or more, such as 10m
registry.ttl: is 0s; it must be more than 0s, such as 5s`
	if err := bad.Validate(); err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	huge := registry.Defaults()
	huge.Size = 10_000_001
	if huge.Validate() == nil {
		t.Error("a size beyond all memory was accepted")
	}
}
