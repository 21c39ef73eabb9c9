package router_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/router"
)

// mounts are the ways to put a handler behind a router; all must do the same.
func mounts() map[string]func(*router.Router, http.Handler) http.Handler {
	return map[string]func(*router.Router, http.Handler) http.Handler{
		"net/http": (*router.Router).Middleware,
		"Gin":      ginMount,
	}
}

// withEach runs a test for each way to mount.
func withEach(t *testing.T, test func(*testing.T, func(*router.Router, http.Handler) http.Handler)) {
	t.Parallel()
	for name, mount := range mounts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, mount)
		})
	}
}

type mounter = func(*router.Router, http.Handler) http.Handler

func asAcme(t *testing.T) *http.Request {
	t.Helper()
	return request{header: header(tenantID, "acme")}.build(t)
}

func TestAHandlerHasItsTenantAndItsLease(t *testing.T) {
	withEach(t, func(t *testing.T, mount mounter) {
		l := &lender{}
		var kept *router.Visit
		h := mount(newRouter(t, config("header"), l, nil), http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			visit, err := router.From(req.Context())
			if err != nil || visit.Tenant().ID.String() != "acme" {
				t.Errorf("got %v, %v", visit, err)
				return
			}
			first, err := router.Lease(req.Context())
			second, again := visit.Lease(req.Context())
			if first == nil || first != second || err != nil || again != nil {
				t.Errorf("got %p, %v and %p, %v", first, err, second, again)
			}
			kept = visit
			w.WriteHeader(http.StatusAccepted)
		}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, asAcme(t))
		if w.Code != http.StatusAccepted {
			t.Errorf("got %d", w.Code)
		}
		l.expect(t, 1, 1)
		if _, err := kept.Lease(t.Context()); !errors.Is(err, router.ErrVisitClosed) {
			t.Errorf("after the handler: %v, want ErrVisitClosed", err)
		}
	})
}

func TestAHandlerThatAsksForNoLeaseCostsNone(t *testing.T) {
	withEach(t, func(t *testing.T, mount mounter) {
		l := &lender{}
		h := mount(newRouter(t, config("header"), l, nil), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		h.ServeHTTP(httptest.NewRecorder(), asAcme(t))
		l.expect(t, 0, 0)
	})
}

func TestAPanicReleasesTheLeaseAndGoesOn(t *testing.T) {
	withEach(t, func(t *testing.T, mount mounter) {
		for _, value := range []any{"broken", errors.New("broken"), http.ErrAbortHandler} {
			l := &lender{}
			h := mount(newRouter(t, config("header"), l, nil), http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
				if _, err := router.Lease(req.Context()); err != nil {
					t.Error(err)
				}
				panic(value)
			}))
			func() {
				defer func() {
					if got := recover(); got != value {
						t.Errorf("recovered %v, want %v", got, value)
					}
				}()
				h.ServeHTTP(httptest.NewRecorder(), asAcme(t))
			}()
			l.expect(t, 1, 1)
		}
	})
}

func TestARefusedRequestReachesNoHandler(t *testing.T) {
	withEach(t, func(t *testing.T, mount mounter) {
		l := &lender{}
		h := mount(newRouter(t, config("path", "header"), l, nil), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			t.Error("the handler was called")
		}))
		for status, q := range map[int]request{
			http.StatusUnauthorized:       {header: header(tenantID, "nobody")},
			http.StatusNotFound:           {path: "/t/nobody/sql"},
			http.StatusServiceUnavailable: {header: header(tenantID, "faraway")},
		} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, q.build(t))
			if w.Code != status || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, status)
			}
		}
		l.expect(t, 0, 0)
	})
}

func TestAHandlerThatFailsToLeaseAnswersWithTheRightProblem(t *testing.T) {
	withEach(t, func(t *testing.T, mount mounter) {
		for want, cause := range map[int]error{
			http.StatusTooManyRequests:     pools.ErrTenantQueue,
			http.StatusServiceUnavailable:  pools.ErrPoolLimit,
			http.StatusGatewayTimeout:      context.DeadlineExceeded,
			http.StatusInternalServerError: errors.New("never seen"),
		} {
			l := &lender{answer: func(context.Context, int) error { return cause }}
			h := mount(newRouter(t, config("header"), l, nil), http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if _, err := router.Lease(req.Context()); err != nil {
					router.WriteProblem(w, req, router.ProblemOf(err))
				}
			}))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, asAcme(t))
			if w.Code != want {
				t.Errorf("%v gave %d, want %d", cause, w.Code, want)
			}
			l.expect(t, 1, 0)
		}
	})
}

func TestTheRequestsIdIsKeptWhenItIsSaneAndElseMade(t *testing.T) {
	withEach(t, func(t *testing.T, mount mounter) {
		h := mount(newRouter(t, config("header"), &lender{}, nil), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		made := regexp.MustCompile(`^[A-Z2-7]{26}$`)
		for _, c := range []struct {
			sent []string
			kept bool
		}{
			{nil, false},
			{[]string{"abc-DEF_1.2"}, true},
			{[]string{strings.Repeat("x", 128)}, true},
			{[]string{strings.Repeat("x", 129)}, false},
			{[]string{""}, false},
			{[]string{"a b"}, false},
			{[]string{"a\r\nSet-Cookie: x"}, false},
			{[]string{"ä"}, false},
			{[]string{"a", "b"}, false},
		} {
			req := asAcme(t)
			req.Header["X-Request-Id"] = c.sent
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			got := w.Header()["X-Request-Id"]
			if len(got) != 1 || c.kept && got[0] != c.sent[0] || !c.kept && !made.MatchString(got[0]) {
				t.Errorf("sent %q, got %q", c.sent, got)
			}
		}
	})
}

func TestARequestsIdThatIsSetAlreadyStays(t *testing.T) {
	withEach(t, func(t *testing.T, mount mounter) {
		h := mount(newRouter(t, config("header"), &lender{}, nil), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		req := asAcme(t)
		req.Header.Set("X-Request-Id", "from-the-client")
		w := httptest.NewRecorder()
		w.Header().Set("X-Request-Id", "from-outside")
		h.ServeHTTP(w, req)
		if got := w.Header()["X-Request-Id"]; len(got) != 1 || got[0] != "from-outside" {
			t.Errorf("got %q", got)
		}
	})
}

func TestAContextThatIsNoRequestsHasNoVisit(t *testing.T) {
	t.Parallel()
	if v, err := router.From(t.Context()); v != nil || !errors.Is(err, router.ErrNoVisit) {
		t.Errorf("From gave %v, %v", v, err)
	}
	if lease, err := router.Lease(t.Context()); lease != nil || !errors.Is(err, router.ErrNoVisit) {
		t.Errorf("Lease gave %v, %v", lease, err)
	}
}
