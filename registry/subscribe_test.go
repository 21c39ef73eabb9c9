package registry_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

func TestEverySubscriberIsTold(t *testing.T) {
	t.Parallel()
	static := newStatic(t)
	r := newRegistry(t, static, nil)
	var one, two atomic.Int32
	r.Subscribe(func(c registry.Change) { one.Add(1) })
	r.Subscribe(func(c registry.Change) { two.Add(1) })
	running(t, r, static)
	before := one.Load()
	must(t, static.Replace(tenant("acme"), tenant("globex")))
	if one.Load() != before+4 || one.Load() != two.Load() {
		t.Errorf("told %d and %d times", one.Load()-before, two.Load()-before)
	}
}

func lighter(t *registry.Tenant) *registry.Tenant {
	t.Limits.Weight = 7
	return t
}

// A pool may follow such a change instead of being replaced, so it must be
// told of nothing else under that name.
func TestSubscribersAreToldWhenLimitsAloneChanged(t *testing.T) {
	t.Parallel()
	static := newStatic(t, tenant("acme"))
	r := newRegistry(t, static, nil)
	var told []registry.ChangeKind
	r.Subscribe(func(c registry.Change) {
		if c.ID == acme {
			told = append(told, c.Kind)
		}
	})
	running(t, r, static, tenant("acme"))
	must(t, static.Replace(lighter(tenant("acme"))))
	got, err := r.Tenant(t.Context(), acme)
	must(t, err)
	if got.Limits.Weight != 7 {
		t.Errorf("whoever asks after the change sees %+v", got.Limits)
	}
	patient := lighter(tenant("acme"))
	patient.Limits.StatementTimeout = time.Minute
	must(t, static.Replace(patient))
	must(t, static.Replace(suspend(tenant("acme"))))
	must(t, static.Replace(lighter(tenant("acme"))))
	if want := "[limits changed suspended changed]"; fmt.Sprint(told) != want {
		t.Errorf("told %v, want %s", told, want)
	}
}

// What a lost notification would have told is found by the next lookup.
func TestAChangeThatNobodyToldIsToldWhenItIsFound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*fakeSource)
		want   string
	}{
		"changed":   {func(s *fakeSource) { s.set(version(tenant("acme"), 2)) }, "[{acme changed} {acme+read changed}]"},
		"limits":    {func(s *fakeSource) { s.set(version(lighter(tenant("acme")), 2)) }, "[{acme changed} {acme+read changed}]"},
		"older":     {func(s *fakeSource) { s.set(version(tenant("acme"), 0)) }, "[{acme changed} {acme+read changed}]"},
		"suspended": {func(s *fakeSource) { s.set(version(suspend(tenant("acme")), 2)) }, "[{acme suspended} {acme+read suspended}]"},
		"removed":   {func(s *fakeSource) { s.remove(acme) }, "[{acme removed} {acme+read removed}]"},
		"the same":  {func(*fakeSource) {}, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				src := newFake(version(tenant("acme"), 1))
				r := newRegistry(t, src, nil)
				told := []registry.Change{}
				r.Subscribe(func(c registry.Change) { told = append(told, c) })
				_, err := r.Tenant(t.Context(), acme)
				must(t, err)
				test.change(src)
				time.Sleep(registry.Defaults().TTL)
				for range 2 {
					_, _ = r.Tenant(t.Context(), acme)
				}
				if got := fmt.Sprint(told); got != test.want {
					t.Errorf("subscribers were told %s, want %s", got, test.want)
				}
			})
		})
	}
}

// A source that may have missed changes says so, and nothing that was cached
// before is believed.
func TestWhenChangesMayHaveBeenMissedEverythingIsAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := newFake(version(tenant("acme"), 1))
		r := newRegistry(t, src, nil)
		nobody := registry.MustParseID("nobody")
		lookup := func() {
			_, _ = r.Tenant(t.Context(), acme)
			_, _ = r.Tenant(t.Context(), nobody)
		}
		lookup()
		run(t, r) // begins to listen: what came before may be old
		synctest.Wait()
		lookup()
		lookup()
		src.notify(nil)
		lookup()
		lookup()
		if a, n := src.questions(acme), src.questions(nobody); a != 3 || n != 3 {
			t.Errorf("asked %d and %d times, want 3 and 3", a, n)
		}
		src.fail(errors.New("wire cut"))
		src.notify(nil)
		if _, err := r.Tenant(t.Context(), acme); err != nil {
			t.Errorf("a record that may be old is better than none: %v", err)
		}
	})
}
