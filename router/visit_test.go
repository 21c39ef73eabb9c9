package router_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/admission"
)

func visitOf(t *testing.T, l *lender) *router.Visit {
	t.Helper()
	v, err := newRouter(t, config("header"), l, nil).Route(request{header: header(tenantID, "acme")}.build(t))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAVisitThatNeverAsksLeasesNothing(t *testing.T) {
	t.Parallel()
	l := &lender{}
	v := visitOf(t, l)
	v.Close()
	v.Close()
	l.expect(t, 0, 0)
}

func TestAVisitLeasesOnceAndReleasesOnce(t *testing.T) {
	t.Parallel()
	l := &lender{}
	v := visitOf(t, l)
	first, err := v.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := v.Lease(t.Context())
	if err != nil || second != first {
		t.Fatalf("the second call gave %p, %v; the first %p", second, err, first)
	}
	v.Close()
	v.Close()
	l.expect(t, 1, 1)
}

func TestAVisitThatIsClosedLeasesNoMore(t *testing.T) {
	t.Parallel()
	l := &lender{}
	v := visitOf(t, l)
	if _, err := v.Lease(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.Close()
	if lease, err := v.Lease(t.Context()); lease != nil || !errors.Is(err, router.ErrVisitClosed) {
		t.Fatalf("got %v, %v; want ErrVisitClosed", lease, err)
	}
	l.expect(t, 1, 1)
}

func TestALeaseThatFailedMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	l := &lender{answer: func(_ context.Context, n int) error {
		if n < 3 {
			return pools.ErrPoolLimit
		}
		return nil
	}}
	v := visitOf(t, l)
	for range 2 {
		if lease, err := v.Lease(t.Context()); lease != nil || !errors.Is(err, pools.ErrPoolLimit) {
			t.Fatalf("got %v, %v; want ErrPoolLimit", lease, err)
		}
	}
	if _, err := v.Lease(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.Close()
	l.expect(t, 3, 1)
}

func TestATenantThatVanishesAfterRouteIsRefusedLikeOneThatNeverWas(t *testing.T) {
	t.Parallel()
	for _, gone := range []error{registry.ErrUnknown, registry.ErrInactive} {
		for resolver, q := range map[string]request{
			"header": {header: header(tenantID, "acme")},
			"path":   {path: "/t/acme"},
		} {
			l := &lender{answer: func(context.Context, int) error { return fmt.Errorf("wrapped: %w", gone) }}
			r := newRouter(t, config(resolver), l, nil)
			v, err := r.Route(q.build(t))
			if err != nil {
				t.Fatal(err)
			}
			_, late := v.Lease(t.Context())
			q.path, q.header = "/t/nobody", header(tenantID, "nobody")
			_, never := r.Route(q.build(t))
			if !errors.Is(late, gone) || router.ProblemOf(late) != router.ProblemOf(never) {
				t.Errorf("%s: %v gives %+v; an unknown one %+v", resolver, late, router.ProblemOf(late), router.ProblemOf(never))
			}
		}
	}
}

func TestAVisitThatGaveItsLeaseBackTakesAnotherAndStillCounts(t *testing.T) {
	t.Parallel()
	l := &lender{}
	r := limited(t, l, nil, func(c *admission.Config) { c.InFlight = 1 })
	v, err := r.Route(request{path: "/t/acme"}.build(t))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := v.Lease(t.Context()); err != nil {
			t.Fatal(err)
		}
		v.Release()
		v.Release()
	}
	l.expect(t, 2, 2)
	if _, err := r.Route(request{path: "/t/acme"}.build(t)); !errors.Is(err, admission.ErrInFlight) {
		t.Errorf("the next: %v", err)
	}
	v.Close()
	v.Release()
	l.expect(t, 2, 2)
	if _, err := r.Route(request{path: "/t/acme"}.build(t)); err != nil {
		t.Error(err)
	}
}
