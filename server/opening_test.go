package server_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/server"
)

// opening is a server whose Run waits for its Open, and what ends that.
type opening struct {
	*harness
	url, admin string
	opened     chan error
	stop       func() // ends Run's context
	done       chan error
}

// newOpening runs a server and returns when it listens.
func newOpening(t *testing.T, change ...func(*harness)) *opening {
	t.Helper()
	o := &opening{opened: make(chan error), done: make(chan error, 1)}
	begun := make(chan struct{})
	o.harness = newHarness(t, append(change, func(h *harness) {
		h.open = func(ctx context.Context) error {
			close(begun)
			select {
			case err := <-o.opened:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})...)
	ctx, stop := context.WithCancel(t.Context())
	o.stop = stop
	go func() { o.done <- o.server.Run(ctx) }()
	<-begun // the addresses are written before
	o.url, o.admin = "http://"+o.server.Addr(), "http://"+o.server.AdminAddr()
	return o
}

func TestAServerThatIsStillOpeningLivesAndIsNotReady(t *testing.T) {
	t.Parallel()
	o := newOpening(t, func(h *harness) {
		h.metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	})
	for _, url := range []string{o.url + "/livez", o.admin + "/livez", o.admin + "/metrics"} {
		if status, err := fetch(t, url); status != http.StatusOK {
			t.Errorf("%s: %d %v", url, status, err)
		}
	}
	for _, ask := range [][2]string{
		{http.MethodGet, o.url + "/readyz"},
		{http.MethodGet, o.admin + "/readyz"},
		{http.MethodGet, o.admin + "/v1/tenants"},
		{http.MethodGet, o.admin + "/v1/pools"},
		{http.MethodPost, o.url + "/sql"},
		{http.MethodPost, o.url + "/t/acme/sql"},
	} {
		res, body := said(t, ask[0], ask[1], `{"query":"one"}`, "X-Tenant-ID", "acme")
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "2" ||
			!strings.Contains(body, `"code":"not_ready"`) || !strings.Contains(body, "It is starting") {
			t.Errorf("%s: %d %v %s", ask, res.StatusCode, res.Header, body)
		}
	}
	res, body := said(t, http.MethodPost, o.url+"/sql", `{"query":"one"}`, "Neon-Connection-String", neon)
	if !strings.Contains(body, `"message":"The service is not ready. It is starting`) || res.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("in the dialect: %d %s", res.StatusCode, body)
	}
	select {
	case <-o.server.Ready():
		t.Error("it says that it serves")
	default:
	}
	if o.lent() != 0 {
		t.Error("somebody got a connection")
	}

	o.opened <- nil
	<-o.server.Ready()
	if status, err := fetch(t, o.url+"/readyz"); status != http.StatusOK {
		t.Errorf("opened, /readyz says %d %v", status, err)
	}
	if res := do(t, o.url+"/sql", strings.NewReader(`{"query":"one"}`), "X-Tenant-ID", "acme"); res.StatusCode != http.StatusOK {
		t.Errorf("opened, and a statement gets %d", res.StatusCode)
	}
	o.stop()
	if err := <-o.done; err != nil {
		t.Error(err)
	}
}

func TestAServerThatIsStillOpeningAsksForItsTokens(t *testing.T) {
	t.Parallel()
	o := newOpening(t, withTokens)
	if status, err := fetch(t, o.admin+"/v1/tenants"); status != http.StatusUnauthorized {
		t.Errorf("%d %v", status, err)
	}
	o.stop()
	if err := <-o.done; err != nil {
		t.Error(err)
	}
}

func TestAStopEndsTheOpeningAtOnce(t *testing.T) {
	t.Parallel()
	o := newOpening(t)
	o.stop()
	if err := <-o.done; err != nil {
		t.Errorf("it was told to stop: %v", err)
	}
	if _, err := fetch(t, o.url+"/livez"); err == nil {
		t.Error("it still listens")
	}
	if got := o.keeper.called(); len(got) != 1 || got[0] != "close" {
		t.Errorf("the keeper was asked to %v", got)
	}
}

func TestAnOpeningThatFailsEndsRun(t *testing.T) {
	t.Parallel()
	o := newOpening(t)
	defer o.stop()
	wrong := errors.New("the password is wrong")
	o.opened <- wrong
	if err := <-o.done; !errors.Is(err, wrong) || errors.Is(err, server.ErrCut) {
		t.Errorf("it ended with %v", err)
	}
	if _, err := fetch(t, o.url+"/livez"); err == nil {
		t.Error("it still listens")
	}
}
