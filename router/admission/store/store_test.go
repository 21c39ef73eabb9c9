package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission/store"
	"github.com/poolkeeper/poolkeeper/router/admission/storetest"
)

var errBad = errors.New("bad")

func open(t *testing.T, url string) *store.Store {
	t.Helper()
	s, err := store.Open(registry.NewSecret(url), 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// ask has the question answered by err and returns whether it was asked.
func ask(t *testing.T, s *store.Store, err error) bool {
	t.Helper()
	asked := false
	got := s.Ask(t.Context(), func(context.Context, redis.UniversalClient) error {
		asked = true
		return err
	})
	if want := map[bool]error{true: err, false: store.ErrResting}[asked]; !errors.Is(got, want) {
		t.Errorf("got %v, not %v", got, want)
	}
	return asked
}

func TestAStoreThatFailedIsTriedOnceInAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, "redis://localhost:1")
		for i := range 3 {
			if !ask(t, s, errBad) {
				t.Fatalf("after %d failures it is not asked", i)
			}
		}
		for range 5 {
			if ask(t, s, nil) {
				t.Error("it is asked though it rests")
			}
			time.Sleep(store.Rest - time.Millisecond)
			if ask(t, s, nil) {
				t.Error("it is asked before its rest is over")
			}
			time.Sleep(time.Millisecond)
			if !ask(t, s, errBad) {
				t.Error("it is not tried after its rest")
			}
		}
		time.Sleep(store.Rest)
		for i, answer := range []error{nil, errBad, errBad, redis.Nil, errBad, errBad, errBad} {
			if !ask(t, s, answer) {
				t.Errorf("%d: one success does not end the rest", i)
			}
		}
		if ask(t, s, nil) {
			t.Error("three failures in a row do not begin one")
		}
	})
}

func TestOfManyAtOnceOneTriesAfterTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, "redis://localhost:1")
		for range 3 {
			ask(t, s, errBad)
		}
		time.Sleep(store.Rest)
		var tried atomic.Int32
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				_ = s.Ask(t.Context(), func(ctx context.Context, _ redis.UniversalClient) error {
					tried.Add(1)
					<-ctx.Done() // the store's own timeout
					return ctx.Err()
				})
			})
		}
		all.Wait()
		if got := tried.Load(); got != 1 {
			t.Errorf("%d tried", got)
		}
	})
}

func TestAQuestionHasAShortTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, "redis://localhost:1")
		begun := time.Now()
		_ = s.Ask(t.Context(), func(ctx context.Context, _ redis.UniversalClient) error {
			<-ctx.Done()
			return ctx.Err()
		})
		if took := time.Since(begun); took != 50*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

func TestWhoLeavesDoesNotCutAQuestionShort(t *testing.T) {
	t.Parallel()
	wire := storetest.Listen(t, func([]string) string { return "+PONG\r\n" })
	s, err := store.Open(registry.NewSecret(wire.URL()), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	gone, leave := context.WithCancel(t.Context())
	leave()
	err = s.Ask(gone, func(ctx context.Context, c redis.UniversalClient) error { return c.Ping(ctx).Err() })
	if err != nil {
		t.Errorf("got %v", err)
	}
}

func TestAServerThatHangsCostsTheTimeout(t *testing.T) {
	t.Parallel()
	wire := storetest.Listen(t, func([]string) string { return "" })
	s := open(t, wire.URL())
	begun := time.Now()
	err := s.Ask(t.Context(), func(ctx context.Context, c redis.UniversalClient) error { return c.Ping(ctx).Err() })
	if took := time.Since(begun); err == nil || took < 40*time.Millisecond || took > 5*time.Second {
		t.Errorf("%v after %v", err, took)
	}
}

func TestAFailedQuestionIsNotSentAgain(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	wire := storetest.Listen(t, func([]string) string {
		asked.Add(1)
		return "-TRYAGAIN later\r\n"
	})
	s := open(t, wire.URL())
	_ = s.Ask(t.Context(), func(ctx context.Context, c redis.UniversalClient) error { return c.Incr(ctx, "x").Err() })
	if got := asked.Load(); got != 1 {
		t.Errorf("sent %d times", got)
	}
}

func TestTheErrorOfABadURLDoesNotRepeatIt(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "hush", "redis://", "http://hush@host", "redis://x:hush@host/hush", "redis://x:hush@host:port",
		"redis://x:hush@host?db=hush", "rediss://x:hush@ho st", "redis://x:hush%zz@host", "redis://x:hush@host?addr=b:1&hush=2",
	} {
		err := store.Check(registry.NewSecret(url))
		if err == nil {
			t.Errorf("%q is taken", url)
			continue
		}
		if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, "hush") {
			t.Errorf("%q: %s", url, text)
		}
	}
}
