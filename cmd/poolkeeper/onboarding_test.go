package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

func records(names ...string) []*registry.Tenant {
	var tenants []*registry.Tenant
	for _, name := range names {
		status := registry.StatusActive
		if strings.HasPrefix(name, "retired") {
			status = registry.StatusRetired
		}
		tenants = append(tenants, &registry.Tenant{ID: registry.MustParseID(name), Status: status})
	}
	return tenants
}

func TestASlowTenantDelaysNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var others atomic.Int64
		slots := make(chan struct{}, onboardAtOnce)
		done, err := onboardWanted(t.Context(), records("slow", "a", "b", "c", "d", "e", "f", "g"), slog.New(slog.DiscardHandler),
			func(_ context.Context, tenant *registry.Tenant) error {
				select {
				case slots <- struct{}{}:
					defer func() { <-slots }()
				default:
					t.Errorf("%s is one too many at once", tenant.ID)
				}
				if tenant.ID.String() != "slow" {
					<-time.After(time.Second)
					others.Add(1)
					return nil
				}
				<-time.After(time.Minute)
				if others.Load() != 7 {
					t.Errorf("after a minute %d others are done", others.Load())
				}
				return errors.New("it slept")
			})
		if took := time.Since(began); took != time.Minute || err != nil || done.wanted != 8 || len(done.failed) != 1 || done.hopeless() {
			t.Errorf("%+v, %v after %v", done, err, took)
		}
	})
}

func TestOnlyTenantsThatAreWantedAreCounted(t *testing.T) {
	t.Parallel()
	fail := func(context.Context, *registry.Tenant) error { return errors.New("no") }
	for names, hopeless := range map[string]bool{"a retired b": true, "retired": false, "": false, "a b": true} {
		done, err := onboardWanted(t.Context(), records(strings.Fields(names)...), slog.New(slog.DiscardHandler), fail)
		if err != nil || done.hopeless() != hopeless {
			t.Errorf("%q: %+v, %v", names, done, err)
		}
	}
}

func TestOnboardingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var calls atomic.Int64
	done, err := onboardWanted(ctx, records("a", "b", "c", "d", "e", "f", "g", "h", "i", "j"), slog.New(slog.DiscardHandler),
		func(ctx context.Context, _ *registry.Tenant) error {
			calls.Add(1)
			cancel()
			return ctx.Err()
		})
	if !errors.Is(err, context.Canceled) || len(done.failed) > 0 || calls.Load() > onboardAtOnce {
		t.Errorf("%+v, %v after %d calls", done, err, calls.Load())
	}
}
