package registry_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
	"weak"

	"github.com/poolkeeper/poolkeeper/registry"
)

var acme = registry.MustParseID("acme")

func TestARecordIsAskedForAgainAfterItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := newFake(tenant("acme"))
		r := newRegistry(t, src, nil)
		lookups := func() {
			for range 3 {
				_, err := r.Tenant(t.Context(), acme)
				must(t, err)
			}
		}
		lookups()
		time.Sleep(registry.Defaults().TTL - time.Nanosecond)
		lookups()
		if n := src.questions(acme); n != 1 {
			t.Errorf("asked %d times within the time to live, want 1", n)
		}
		time.Sleep(time.Nanosecond)
		lookups()
		if n := src.questions(acme); n != 2 {
			t.Errorf("asked %d times after it, want 2", n)
		}
	})
}

func TestAnUnknownIDIsRememberedForItsOwnTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src, obs := newFake(), &results{}
		r := newRegistry(t, src, obs)
		for range 5 {
			if _, err := r.Tenant(t.Context(), acme); !errors.Is(err, registry.ErrUnknown) {
				t.Fatal(err)
			}
		}
		if got := obs.take(); got != "map[negative_hit:4 unknown:1]" {
			t.Errorf("the observer was told %s", got)
		}
		src.set(tenant("acme"))
		time.Sleep(registry.Defaults().NegativeTTL)
		if _, err := r.Tenant(t.Context(), acme); err != nil {
			t.Errorf("after the time: %v", err)
		}
	})
}

func TestFiveHundredCallersAskOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := newFake(tenant("acme"))
		src.leave = make(chan struct{})
		r := newRegistry(t, src, nil)
		var callers sync.WaitGroup
		for range 500 {
			callers.Go(func() {
				if got, err := r.Tenant(t.Context(), acme); err != nil || got.ID != acme {
					t.Errorf("got %v, %v", got, err)
				}
			})
		}
		synctest.Wait()
		close(src.leave)
		callers.Wait()
		if n := src.questions(acme); n != 1 {
			t.Errorf("the source was asked %d times, want 1", n)
		}
	})
}

func TestACallerWhoLeavesDoesNotFailTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src, obs := newFake(tenant("acme")), &results{}
		src.leave = make(chan struct{})
		r := newRegistry(t, src, obs)
		first, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			_, err := r.Tenant(first, acme)
			left <- err
		}()
		synctest.Wait()
		var others sync.WaitGroup
		for range 499 {
			others.Go(func() {
				_, err := r.Tenant(t.Context(), acme)
				if err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), `"acme"`) {
			t.Errorf("who left got %v; want its context's error with the tenant", err)
		}
		close(src.leave)
		others.Wait()
		if got := obs.take(); got != "map[error:1 loaded:499]" {
			t.Errorf("the observer was told %s", got)
		}
	})
}

func TestWhoHasLeftAlreadyAsksNothing(t *testing.T) {
	t.Parallel()
	src := newFake(tenant("acme"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newRegistry(t, src, nil).Tenant(ctx, acme); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n := src.questions(acme); n != 0 {
		t.Errorf("the source was asked %d times", n)
	}
}

func TestAQuestionHasATimeLimitOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := newFake(tenant("acme"))
		src.leave = make(chan struct{}) // never
		r := newRegistry(t, src, nil)
		began := time.Now()
		_, err := r.Tenant(t.Context(), acme)
		if !errors.Is(err, registry.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want ErrUnavailable because of the deadline", err)
		}
		if took := time.Since(began); took != registry.Defaults().LookupTimeout {
			t.Errorf("it took %v", took)
		}
	})
}

func TestAFloodOfUnknownIDsCostsBoundedMemoryAndNoRecord(t *testing.T) {
	t.Parallel()
	cfg := registry.Defaults()
	cfg.Size = 100
	src := newFake(tenant("acme"))
	r, err := registry.New(cfg, src, nil)
	must(t, err)
	_, err = r.Tenant(t.Context(), acme)
	must(t, err)
	for i := range 5000 {
		if _, err := r.Tenant(t.Context(), registry.MustParseID(fmt.Sprintf("x-%d", i))); !errors.Is(err, registry.ErrUnknown) {
			t.Fatal(err)
		}
	}
	if known, absent := r.Cached(); known != 1 || absent != 100 {
		t.Errorf("%d records and %d unknown ids are cached; want 1 and 100", known, absent)
	}
	_, err = r.Tenant(t.Context(), acme)
	must(t, err)
	if n := src.questions(acme); n != 1 {
		t.Errorf("the flood pushed the record out: asked %d times", n)
	}
}

// An id is often a piece of a request's text; the cache must not keep the
// rest of it alive.
func TestTheCacheKeepsNothingOfARequestButTheID(t *testing.T) {
	t.Parallel()
	src := newFake(tenant("acme"))
	r := newRegistry(t, src, nil)
	lookup := func(name string, want error) weak.Pointer[byte] {
		request := []byte("GET /t/" + name + "/sql " + strings.Repeat("x", 10_000))
		text := unsafe.String(&request[0], len(request))
		id, err := registry.ParseID(text[len("GET /t/") : len("GET /t/")+len(name)])
		must(t, err)
		if _, err := r.Tenant(t.Context(), id); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
		return weak.Make(&request[0])
	}
	known, absent := lookup("acme", nil), lookup("nobody", registry.ErrUnknown)
	for range 5 {
		runtime.GC()
	}
	if known.Value() != nil || absent.Value() != nil {
		t.Error("a request's text is still in memory")
	}
	if k, a := r.Cached(); k != 1 || a != 1 {
		t.Errorf("%d and %d are cached, want 1 and 1", k, a)
	}
}

func TestABusyTenantStaysCachedWhileOthersComeAndGo(t *testing.T) {
	t.Parallel()
	cfg := registry.Defaults()
	cfg.Size = 10
	src := newFake(tenant("acme"))
	r, err := registry.New(cfg, src, nil)
	must(t, err)
	for i := range 500 {
		other := tenant(fmt.Sprintf("t-%d", i))
		src.set(other)
		for _, id := range []registry.ID{acme, other.ID} {
			_, err := r.Tenant(t.Context(), id)
			must(t, err)
		}
	}
	if n := src.questions(acme); n != 1 {
		t.Errorf("the busy tenant was asked for %d times, want 1", n)
	}
	if known, _ := r.Cached(); known != 10 {
		t.Errorf("%d records are cached, want 10", known)
	}
}
