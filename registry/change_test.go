package registry_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

func TestTheCacheForgetsBeforeSubscribersAndBeforeTheSourceGoesOn(t *testing.T) {
	t.Parallel()
	static := newStatic(t, tenant("acme"))
	r := newRegistry(t, static, nil)
	var told []string
	r.Subscribe(func(c registry.Change) {
		if c.ID != acme {
			return
		}
		_, err := r.Tenant(context.WithoutCancel(t.Context()), acme)
		told = append(told, fmt.Sprintf("%s: %v", c.Kind, err))
	})
	running(t, r, static, tenant("acme"))
	lookup := func() error { _, err := r.Tenant(t.Context(), acme); return err }
	must(t, lookup())

	must(t, static.Replace(suspend(tenant("acme"))))
	if err := lookup(); !errors.Is(err, registry.ErrInactive) {
		t.Errorf("after the suspension: %v", err)
	}
	must(t, static.Replace(tenant("acme")))
	must(t, lookup())
	must(t, static.Replace())
	if err := lookup(); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("after the removal: %v", err)
	}
	must(t, static.Replace(tenant("acme")))
	must(t, lookup())

	want := `[suspended: registry: tenant is not active: "acme" is suspended changed: <nil> removed: registry: unknown tenant: "acme" added: <nil>]`
	if got := fmt.Sprint(told); got != want {
		t.Errorf("subscribers were told, and saw,\n%s\nwant\n%s", got, want)
	}
}

// An answer that was on its way while the record changed is not cached, and
// not handed out either.
func TestALookupInFlightDoesNotBringBackTheOldRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := newFake(version(tenant("acme"), 1))
		src.enter, src.leave = make(chan registry.ID), make(chan struct{})
		r := newRegistry(t, src, nil)
		run(t, r)
		synctest.Wait()
		early := make(chan error, 1)
		go func() {
			_, err := r.Tenant(t.Context(), acme)
			early <- err
		}()
		<-src.enter // it has read version 1
		src.set(version(suspend(tenant("acme")), 2))
		src.notify([]registry.Change{{ID: acme, Kind: registry.Suspended}})

		late := make(chan error, 1)
		go func() {
			_, err := r.Tenant(t.Context(), acme)
			late <- err
		}()
		synctest.Wait() // whoever comes after the change waits for the same answer
		close(src.leave)
		<-src.enter // which is asked for again
		for who, got := range map[string]chan error{"early": early, "late": late} {
			if err := <-got; !errors.Is(err, registry.ErrInactive) {
				t.Errorf("the %s caller got %v, want ErrInactive", who, err)
			}
		}
		if _, err := r.Tenant(t.Context(), acme); !errors.Is(err, registry.ErrInactive) {
			t.Errorf("the old record was cached: %v", err)
		}
	})
}

// The answer of a question that was over before the change is not for those
// who come after it, even while its subscribers are still being told.
func TestAnAnswerFromBeforeAChangeIsNotForThoseWhoComeAfterIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := newFake(version(tenant("acme"), 1))
		r := newRegistry(t, src, nil)
		telling, told := make(chan struct{}), make(chan struct{})
		r.Subscribe(func(c registry.Change) {
			if c.Kind == registry.Changed && !c.ID.IsReader() {
				close(telling)
				<-told
			}
		})
		run(t, r)
		synctest.Wait()
		_, err := r.Tenant(t.Context(), acme)
		must(t, err)
		src.set(version(tenant("acme"), 2)) // nobody tells
		time.Sleep(registry.Defaults().TTL)
		early, late := make(chan error, 1), make(chan error, 1)
		lookup := func(result chan<- error) {
			_, err := r.Tenant(t.Context(), acme)
			result <- err
		}
		go lookup(early)
		<-telling // version 2 has been found and cached, its question is not over
		src.set(version(suspend(tenant("acme")), 3))
		src.notify([]registry.Change{{ID: acme, Kind: registry.Suspended}})
		go lookup(late)
		synctest.Wait()
		close(told)
		must(t, <-early)
		if err := <-late; !errors.Is(err, registry.ErrInactive) {
			t.Errorf("who came after the suspension got %v, want ErrInactive", err)
		}
	})
}

func TestAChangeOfAnotherTenantDoesNotDisturbALookup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := newFake(tenant("acme"))
		src.leave = make(chan struct{})
		r := newRegistry(t, src, nil)
		run(t, r)
		synctest.Wait()
		var caller sync.WaitGroup
		caller.Go(func() {
			_, err := r.Tenant(t.Context(), acme)
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		src.notify([]registry.Change{{ID: registry.MustParseID("globex"), Kind: registry.Changed}})
		close(src.leave)
		caller.Wait()
		if n := src.questions(acme); n != 1 {
			t.Errorf("asked %d times, want 1", n)
		}
	})
}

// A removal whose source then falls silent must not be undone by the record
// that was cached before.
func TestARemovedRecordIsNotServedStale(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := newFake(tenant("acme"))
		r := newRegistry(t, src, nil)
		run(t, r)
		synctest.Wait()
		_, err := r.Tenant(t.Context(), acme)
		must(t, err)
		src.fail(errors.New("wire cut"))
		src.notify([]registry.Change{{ID: acme, Kind: registry.Removed}})
		if _, err := r.Tenant(t.Context(), acme); !errors.Is(err, registry.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
	})
}

// Whoever asks after a change was told sees that change or a later one,
// whatever else goes on.
func TestNobodySeesTheOldRecordAfterAChangeUnderLoad(t *testing.T) {
	t.Parallel()
	static := newStatic(t, tenant("acme"))
	r := newRegistry(t, static, nil)
	running(t, r, static, tenant("acme"))
	var round atomic.Int64 // the last one that was told
	round.Store(-1)
	var stop atomic.Bool
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for !stop.Load() {
				told := round.Load()
				got, err := r.Tenant(context.WithoutCancel(t.Context()), acme)
				if told >= 0 && (err != nil || int64(got.Limits.Queue) < told) {
					t.Errorf("after change %d: %+v, %v", told, got, err)
					return
				}
			}
		})
	}
	for i := range 600 {
		changed := tenant("acme")
		changed.Limits.Queue = i
		must(t, static.Replace(changed))
		round.Store(int64(i))
	}
	stop.Store(true)
	readers.Wait()
}
