// Package sourcetest holds the tests that every [registry.Source] passes. A new
// source calls [Run] from a test of its own with a way to open an empty source
// and to change what is in it.
package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Fixture is a source under test.
type Fixture struct {
	// Source is what is tested. It begins without records and knows Clusters.
	Source registry.Source
	// Replace makes the given records the only ones; it fails the test when
	// it cannot. It may return before watchers were told.
	Replace func(t *testing.T, tenants ...*registry.Tenant)
	// Rotates says that records may have a NextPassword, and a ReadLogin.
	Rotates bool
}

// Clusters are the servers that the records of the suite live on.
func Clusters() map[string]registry.Cluster {
	return map[string]registry.Cluster{
		"main": {
			DSN:       registry.NewSecret("postgres://app@main.internal/app"),
			Admin:     registry.NewSecret("postgres://boss@main.internal/postgres"),
			Addresses: []string{"alias.internal:5432"},
			SpareDSN:  registry.NewSecret("postgres://spare@alias.internal/app"),
		},
		"other": {DSN: registry.NewSecret("postgres://app@other.internal/app")},
	}
}

// tooLong is when a source that has not told is taken to be silent.
const tooLong = 20 * time.Second

// Run runs the suite. open is called once for each test.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*testing.T, Fixture)
	}{
		{"ARecordComesBackAsItWasGiven", recordComesBack},
		{"AnInactiveRecordIsFoundToo", inactiveIsFound},
		{"WhatHasNoRecordIsUnknown", unknown},
		{"PagesFollowTheOrderOfTheIDs", pages},
		{"EveryKindOfChangeIsTold", kinds},
		{"AChangeOfLimitsAloneIsToldAsSuchAndNoOtherIs", limits},
		{"WhatIsTheSameIsNotTold", sameIsNotTold},
		{"AWatcherIsToldThatItListens", listening},
		{"ByTheTimeOfTheCallTheSourceAnswersWithTheChange", answersWhenTold},
		{"EveryWatcherIsTold", everyWatcher},
		{"TheEndOfTheContextEndsTheWatch", watchEnds},
		{"TheVersionGrowsWithEveryChange", versionGrows},
		{"ARecordThatComesBackIsNewer", comesBackNewer},
		{"ATenantThatIsAddedAnewIsAnother", bornAgain},
		{"ARotationIsAChange", rotation},
		{"AReaderComesAndGoes", readers},
		{"AReadersLoginIsSharedWhenAnotherRecordHasIt", sharedReader},
		{"ALoginIsSharedWhenAnotherRecordHasIt", sharedLogin},
		{"ALoginThatBecomesSharedIsAChange", sharedFlips},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// tenant is a record of schema isolation with a login of its own.
func tenant(id string) *registry.Tenant {
	return &registry.Tenant{
		ID: registry.MustParseID(id), Name: id, Status: registry.StatusActive, Cluster: "main",
		Isolation: registry.IsolationSchema, Schema: registry.DerivedName(registry.MustParseID(id), ""), Login: id,
	}
}

// with is tenant after a change.
func with(id string, change func(*registry.Tenant)) *registry.Tenant {
	t := tenant(id)
	change(t)
	return t
}

func suspended(id string) *registry.Tenant {
	return with(id, func(t *registry.Tenant) { t.Status = registry.StatusSuspended })
}

func lookup(t *testing.T, s registry.Source, id string) *registry.Tenant {
	t.Helper()
	got, err := s.Tenant(t.Context(), registry.MustParseID(id))
	if err != nil {
		t.Fatalf("Tenant(%s): %v", id, err)
	}
	return got
}

// watch runs Watch until the test ends. Its first call has come when it
// returns; the later ones are on the channel.
func watch(t *testing.T, s registry.Source, told func([]registry.Change)) <-chan []registry.Change {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	calls := make(chan []registry.Change, 64)
	ended := make(chan error, 1)
	go func() {
		ended <- s.Watch(ctx, func(changes []registry.Change) {
			if told != nil {
				told(changes)
			}
			calls <- changes
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Watch returned %v after its context ended", err)
		}
	})
	if first := next(t, calls); len(first) != 0 {
		t.Fatalf("the first call told %v; it should say only that Watch listens", first)
	}
	return calls
}

func next(t *testing.T, calls <-chan []registry.Change) []registry.Change {
	t.Helper()
	select {
	case changes := <-calls:
		return changes
	case <-time.After(tooLong):
		t.Fatal("the source told nothing")
		return nil
	}
}

// expect reads calls until every change was told, in any order and any number
// of calls, and fails at one too many.
func expect(t *testing.T, calls <-chan []registry.Change, want ...string) {
	t.Helper()
	missing := map[string]bool{}
	for _, w := range want {
		missing[w] = true
	}
	for len(missing) > 0 {
		for _, c := range next(t, calls) {
			text := fmt.Sprintf("%s %s", c.ID, c.Kind)
			if !missing[text] {
				t.Fatalf("the source told %q; still expected: %v", text, missing)
			}
			delete(missing, text)
		}
	}
}

func isUnknown(err error) bool { return errors.Is(err, registry.ErrUnknown) }
