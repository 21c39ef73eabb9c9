package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/server"
)

func TestAnAddressThatCannotBeBoundIsOneSentenceNamingTheSetting(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	taken, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for want, change := range map[string]func(*server.Config){
		"server.listen: " + taken.Addr().String() + " is in use by another program; stop it, or set another port":          func(c *server.Config) { c.Listen = taken.Addr().String() },
		"server.admin_listen: " + taken.Addr().String() + " is in use by another program; stop it, or set another port":    func(c *server.Config) { c.AdminListen = taken.Addr().String() },
		"server.listen: 203.0.113.1:0 is not an address of this machine; use one that is, or leave the host empty for all": func(c *server.Config) { c.Listen = "203.0.113.1:0" },
		"server.listen: cannot listen on no.such.host.invalid:0: ":                                                         func(c *server.Config) { c.Listen = "no.such.host.invalid:0" },
	} {
		h := newHarness(t, func(h *harness) { change(&h.cfg) })
		err := h.server.Run(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "bind:") {
			t.Errorf("the system's words are in it: %v", err)
		}
	}
}

func TestAnAddressThatTheUserMayNotBindIsOneSentenceToo(t *testing.T) { // made up: root may bind them all
	t.Parallel()
	denied := &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EACCES)}
	err := server.Unbound("server.listen", "127.0.0.1:80", denied)
	if want := "server.listen: 127.0.0.1:80 may not be listened on by this user; use a port from 1024 up"; err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if !errors.Is(err, syscall.EACCES) {
		t.Error("its cause is lost")
	}
}

func TestAFailedStartLeavesNoPortBehind(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	taken, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	h := newHarness(t, func(h *harness) { h.cfg.Listen, h.cfg.AdminListen = address, taken.Addr().String() })
	if err := h.server.Run(t.Context()); err == nil {
		t.Fatal("it started")
	}
	again, err := config.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatalf("the data listener's port is still taken: %v", err)
	}
	again.Close()
}

func TestRunOnlyOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.serve(t)
	if err := h.server.Run(t.Context()); !errors.Is(err, server.ErrStarted) {
		t.Errorf("the second run: %v", err)
	}
}

func TestWithoutAnAdminAddressThereIsNoAdminListener(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) { h.cfg.AdminListen = "" })
	_, _, stop := h.serve(t)
	if got := h.server.AdminAddr(); got != "" {
		t.Errorf("it listens on %s", got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAStopIsInOrder(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) { h.cfg.NotReady = 2 * time.Second })
	url, admin, stop := h.serve(t)
	h.keeper.onDrain = func(context.Context) error {
		if _, err := fetch(t, url+"/livez"); err == nil {
			waitFor(t, func() bool { _, err := fetch(t, url+"/livez"); return err != nil }) // Shutdown runs beside
		}
		return nil
	}
	h.keeper.onClose = func(context.Context) error {
		if _, err := fetch(t, admin+"/livez"); err != nil {
			t.Errorf("the admin listener is gone before the pools are closed: %v", err)
		}
		return nil
	}
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	// Not ready comes first, and work is still done.
	waitFor(t, func() bool { status, _ := fetch(t, url+"/readyz"); return status == http.StatusServiceUnavailable })
	if got := h.keeper.called(); len(got) != 0 {
		t.Errorf("not ready, and the keeper was asked to %v", got)
	}
	if res := do(t, url+"/sql", strings.NewReader(`{"query":"one"}`), "X-Tenant-ID", "acme"); res.StatusCode != http.StatusOK {
		t.Errorf("not ready yet serving: status %d", res.StatusCode)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if got := h.keeper.called(); !slices.Equal(got, []string{"drain", "close"}) {
		t.Errorf("the keeper was asked to %v", got)
	}
	if _, err := fetch(t, admin+"/livez"); err == nil {
		t.Error("the admin listener is still there")
	}
}

// fetch gets url on a connection of its own.
func fetch(t *testing.T, url string) (int, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// running starts a request that goes on for as long as it may, and returns
// where its status will arrive.
func running(t *testing.T, h *harness, url string) <-chan int {
	t.Helper()
	status := make(chan int, 1)
	go func() {
		status <- do(t, url+"/sql", strings.NewReader(`{"query":"sleep"}`), "X-Tenant-ID", "acme").StatusCode
	}()
	waitFor(t, func() bool { return h.lent() == 1 && h.session(t).asleep.Load() })
	return status
}

func TestAStopWaitsForTheRequestThatRuns(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) { h.cfg.SQL.Timeout = 500 * time.Millisecond })
	url, _, stop := h.serve(t)
	status := running(t, h, url)
	if err := stop(); err != nil {
		t.Errorf("the stop: %v", err)
	}
	if got := <-status; got != http.StatusGatewayTimeout {
		t.Errorf("status %d, want the 504 that it came to by itself", got)
	}
}

func TestWhatOutlivesTheDrainTimeoutIsCutAndToldSo(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) { h.cfg.DrainTimeout = 200 * time.Millisecond })
	url, _, stop := h.serve(t)
	status := running(t, h, url)
	h.keeper.onClose = func(ctx context.Context) error {
		if ctx.Err() == nil {
			t.Error("the keeper is asked to wait after the cut")
		}
		return nil
	}
	began := time.Now()
	err := stop()
	if took := time.Since(began); !errors.Is(err, server.ErrCut) || took > 5*time.Second {
		t.Errorf("the stop took %v: %v", took, err)
	}
	if got := <-status; got != http.StatusServiceUnavailable {
		t.Errorf("status %d, want 503: the server's stop is no fault of the statement", got)
	}
}

func TestLeasesThatOutliveTheDrainTimeoutAreLeftToTheKeepersKnife(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) { h.cfg.DrainTimeout = 50 * time.Millisecond })
	h.keeper.onDrain = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	h.keeper.onClose = func(context.Context) error { return errors.New("2 leases were cut") }
	_, _, stop := h.serve(t)
	if err := stop(); !errors.Is(err, server.ErrCut) || !strings.Contains(err.Error(), "2 leases were cut") {
		t.Errorf("the stop: %v", err)
	}
}

func TestADrainedServerStopsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	_, admin, stop := h.serve(t)
	if res := do(t, admin+"/v1/drain", nil); res.StatusCode != http.StatusOK {
		t.Fatalf("status %d", res.StatusCode)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
