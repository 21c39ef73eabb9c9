package registry_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// A stale record is served while the source is silent, for a time.
func TestAKnownRecordOutlivesASilentSourceForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := registry.Defaults()
		src, obs := newFake(tenant("acme"), suspend(tenant("hooli"))), &results{}
		r := newRegistry(t, src, obs)
		hooli := registry.MustParseID("hooli")
		_, err := r.Tenant(t.Context(), acme)
		must(t, err)
		_, _ = r.Tenant(t.Context(), hooli)
		src.fail(errors.New("wire cut"))

		time.Sleep(cfg.TTL + cfg.StaleFor - time.Nanosecond)
		obs.take()
		for range 3 {
			if _, err := r.Tenant(t.Context(), acme); err != nil {
				t.Fatalf("just before the end: %v", err)
			}
			if _, err := r.Tenant(t.Context(), hooli); !errors.Is(err, registry.ErrInactive) {
				t.Fatalf("a suspended tenant: %v", err)
			}
		}
		if got := obs.take(); got != "map[error:2 hit:4]" {
			t.Errorf("the observer was told %s", got)
		}
		time.Sleep(time.Nanosecond)
		if _, err := r.Tenant(t.Context(), acme); !errors.Is(err, registry.ErrUnavailable) {
			t.Errorf("at the end: %v, want ErrUnavailable", err)
		}
		src.fail(nil)
		if _, err := r.Tenant(t.Context(), acme); err != nil {
			t.Errorf("with the source back: %v", err)
		}
	})
}

func TestASilentSourceIsAskedOnlyNowAndThenForAKnownRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := newFake(tenant("acme"))
		r := newRegistry(t, src, nil)
		_, err := r.Tenant(t.Context(), acme)
		must(t, err)
		src.fail(errors.New("wire cut"))
		time.Sleep(registry.Defaults().TTL)
		for range 100 {
			_, err := r.Tenant(t.Context(), acme)
			must(t, err)
			time.Sleep(20 * time.Millisecond)
		}
		if n := src.questions(acme) - 1; n != 2 {
			t.Errorf("the silent source was asked %d times in two seconds, want 2", n)
		}
	})
}

func TestWithoutStaleForASilentSourceIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := registry.Defaults()
		cfg.StaleFor = 0
		src := newFake(tenant("acme"))
		r, err := registry.New(cfg, src, nil)
		must(t, err)
		_, err = r.Tenant(t.Context(), acme)
		must(t, err)
		src.fail(errors.New("wire cut"))
		time.Sleep(cfg.TTL)
		if _, err := r.Tenant(t.Context(), acme); !errors.Is(err, registry.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
	})
}
