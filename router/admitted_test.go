package router_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/admission"
)

// limited is a router whose tenants have limits.
func limited(t *testing.T, l *lender, obs router.Observer, change func(*admission.Config)) *router.Router {
	t.Helper()
	limits := admission.Defaults()
	change(&limits)
	control, err := admission.New(limits, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(control.Close)
	r, err := router.New(quiet("key", "path", "header"), router.Deps{
		Tenants: records{}, Pools: l, Observer: obs, Keys: keyring{}, Admission: control,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.OnRelease(l.release)
	return r
}

func TestATenantsRateIsOnEveryAnswerAndEndsIn429(t *testing.T) {
	for name, mount := range mounts() {
		synctest.Test(t, func(t *testing.T) {
			r := limited(t, &lender{}, nil, func(c *admission.Config) { c.Rate, c.Burst = 1, 2 })
			h := mount(r, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
			ask := func(q request) *httptest.ResponseRecorder {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, q.build(t))
				return w
			}
			for range 2 {
				if w := ask(request{path: "/t/acme"}); w.Code != http.StatusAccepted || w.Header().Get("RateLimit") == "" || w.Header().Get("RateLimit-Policy") == "" {
					t.Errorf("%s: got %d, %v", name, w.Code, w.Header())
				}
			}
			w := ask(request{path: "/t/acme"})
			if w.Code != http.StatusTooManyRequests || problemIn(t, w).Code != "tenant_limit" || w.Header().Get("Retry-After") != "1" ||
				w.Header().Get("RateLimit") == "" || w.Header().Get("RateLimit-Policy") == "" {
				t.Errorf("%s: got %d, %v %s", name, w.Code, w.Header(), w.Body)
			}
			// Another tenant is not the one; who is none has no rate.
			if w := ask(request{path: "/t/globex"}); w.Code != http.StatusAccepted {
				t.Errorf("%s: another tenant got %d", name, w.Code)
			}
			if w := ask(request{path: "/t/hooli"}); w.Code != http.StatusNotFound || w.Header().Get("RateLimit") != "" {
				t.Errorf("%s: a suspended one got %d, %v", name, w.Code, w.Header())
			}
			time.Sleep(time.Second)
			if w := ask(request{path: "/t/acme"}); w.Code != http.StatusAccepted {
				t.Errorf("%s: a second later: %d", name, w.Code)
			}
		})
	}
}

func TestARequestIsUnderWayUntilItsVisitIsClosedAndNoLonger(t *testing.T) {
	t.Parallel()
	obs := &log{}
	r := limited(t, &lender{}, obs, func(c *admission.Config) { c.InFlight = 2 })
	route := func() (*router.Visit, error) { return r.Route(request{path: "/t/acme"}.build(t)) }
	var visits []*router.Visit
	for range 2 {
		visit, err := route()
		if err != nil {
			t.Fatal(err)
		}
		visits = append(visits, visit)
	}
	full := func() {
		t.Helper()
		_, err := route()
		if by, observed := obs.last(t); !errors.Is(err, admission.ErrInFlight) || !errors.Is(observed, admission.ErrInFlight) || by != "path" {
			t.Fatalf("got %v, observed %v by %s", err, observed, by)
		}
	}
	full()
	visits[0].Close()
	visits[0].Close() // once is all that it counted
	if _, err := route(); err != nil {
		t.Fatal(err)
	}
	full()
}

func TestAPanicEndsTheRequestForTheTenantsLimitsToo(t *testing.T) {
	withEach(t, func(t *testing.T, mount mounter) {
		r := limited(t, &lender{}, nil, func(c *admission.Config) { c.InFlight = 1 })
		h := mount(r, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		for range 3 {
			func() {
				defer func() {
					if got, ok := recover().(error); !ok || !errors.Is(got, http.ErrAbortHandler) {
						t.Errorf("recovered %v", got)
					}
				}()
				h.ServeHTTP(httptest.NewRecorder(), request{path: "/t/acme"}.build(t))
			}()
		}
	})
}

// admissions is asked for every request that comes so far.
type admissions struct {
	asked []string
	err   error
}

func (a *admissions) Admit(_ context.Context, t *registry.Tenant) (*admission.Pass, error) {
	a.asked = append(a.asked, t.ID.String())
	if a.err != nil {
		return nil, a.err
	}
	return &admission.Pass{}, nil
}

func TestOnlyATenantThatIsServedHasLimits(t *testing.T) {
	t.Parallel()
	a := &admissions{}
	cfg := probed("key", "path", "header")
	r, err := router.New(cfg, router.Deps{Tenants: records{}, Pools: &lender{}, Keys: keyring{}, Admission: a})
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []request{
		{path: "/t/nobody"},
		{path: "/t/hooli"},
		{path: "/t/faraway"},
		{path: "/t/a_b"},
		{path: "/t/acme", header: bearer(keyOf("globex")).header},
		{path: "/t/acme", header: bearer(keyOf("revoked")).header},
		{path: "/t/acme"}, // of an address that was refused too often by now
	} {
		if _, err := r.Route(q.build(t)); err == nil {
			t.Errorf("%+v was served", q)
		}
	}
	if len(a.asked) != 0 {
		t.Errorf("asked for %v", a.asked)
	}
	if _, err := r.Route(bearer(keyOf("reader-acme")).build(t)); err != nil || len(a.asked) != 1 || a.asked[0] != "acme" {
		t.Errorf("got %v, asked for %v", err, a.asked)
	}
}

func TestALimitThatNobodyKnowsIsNoOutageOfTheTenants(t *testing.T) {
	t.Parallel()
	a := &admissions{err: admission.ErrStore}
	r, err := router.New(quiet("path"), router.Deps{Tenants: records{}, Pools: &lender{}, Admission: a})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Route(request{path: "/t/acme"}.build(t))
	if p := router.ProblemOf(err); p.Status != http.StatusServiceUnavailable || p.Code != "capacity" || p.RetryAfter <= 0 {
		t.Errorf("%v gives %+v", err, p)
	}
}

// What the middleware said of the tenant's rate must not survive its refusal:
// the answer would tell that it was there a moment ago.
func TestATenantThatVanishesLeavesNothingInTheHeaders(t *testing.T) {
	withEach(t, func(t *testing.T, mount mounter) {
		l := &lender{answer: func(context.Context, int) error { return registry.ErrInactive }}
		r := limited(t, l, nil, func(c *admission.Config) { c.Rate = 100 })
		h := mount(r, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Server-Timing", "resolve;dur=1")
			_, err := router.Lease(req.Context())
			router.WriteProblem(w, req, router.ProblemOf(err))
		}))
		late, never := answer(t, h, request{path: "/t/acme"}), answer(t, h, request{path: "/t/nobody"})
		if late != never {
			t.Errorf("a tenant that vanished gets\n%s\none that never was\n%s", late, never)
		}
	})
}
