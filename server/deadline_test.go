package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAStatementMayOutlastTheReadTimeout(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) {
		h.cfg.ReadTimeout, h.cfg.ReadHeaderTimeout = time.Second, time.Second
		h.cfg.SQL.Timeout = 2 * time.Second
	})
	url, _, _ := h.serve(t)
	// With the read deadline left on the connection, the server would take the
	// client's silence for its departure after a second.
	if res := do(t, url+"/sql", strings.NewReader(`{"query":"sleep"}`), "X-Tenant-ID", "acme"); res.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("status %d, want 504 after sql.timeout", res.StatusCode)
	}
}

func TestAClientMayShortenItsDeadlineAndNotLengthenIt(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) { h.cfg.SQL.Timeout = time.Minute })
	for _, asked := range []string{"50ms", "0.05", "1e-2"} {
		began := time.Now()
		r := h.post(t, "/sql", `{"query":"sleep"}`, "X-Tenant-ID", "acme", "X-Request-Timeout", asked)
		if took := time.Since(began); r.status != http.StatusGatewayTimeout || took > 30*time.Second {
			t.Errorf("%s: status %d after %v", asked, r.status, took)
		}
	}
	h = newHarness(t, func(h *harness) { h.cfg.SQL.Timeout = time.Second })
	for _, asked := range []string{"1h", "1e300", "1e400"} {
		began := time.Now()
		r := h.post(t, "/sql", `{"query":"sleep"}`, "X-Tenant-ID", "acme", "X-Request-Timeout", asked)
		if took := time.Since(began); r.status != http.StatusGatewayTimeout || took < time.Second || took > 30*time.Second {
			t.Errorf("%s: status %d after %v", asked, r.status, took)
		}
	}
	for _, asked := range []string{"0", "-1", "soon", "NaN", "-Inf", "1 s", "0s", "5 minutes", strings.Repeat("x", 10000)} {
		r := h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "acme", "X-Request-Timeout", asked)
		if r.status != http.StatusBadRequest {
			t.Errorf("%.20s: status %d, want 400", asked, r.status)
		}
	}
}

func TestADeadlineTellsNothingOfWhichTenantsThereAre(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	post := func(id string, headers ...string) string {
		r := h.post(t, "/sql", `{"query":"one"}`, append(headers, "X-Tenant-ID", id, "X-Request-Id", "r")...)
		return fmt.Sprint(r.status, " ", r.body)
	}
	want := post("UPPER")
	for _, id := range []string{"UPPER", "nobody", "hooli"} {
		for _, asked := range []string{"1ns", "0"} {
			if got := post(id, "X-Request-Timeout", asked); got != want {
				t.Errorf("%s within %s: %s\nwant %s", id, asked, got, want)
			}
		}
	}
	if got := post("acme", "X-Request-Timeout", "1ns"); !strings.HasPrefix(got, "504 ") {
		t.Errorf("a tenant that is served: %s", got)
	}
}

func TestATenantsOwnLimitHoldsEvenWhenSQLLiftsIt(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	began := time.Now()
	r := h.post(t, "/sql", `{"query":"sleep"}`, "X-Tenant-ID", "quick") // 50 ms, and half a second of grace
	if took := time.Since(began); r.status != http.StatusGatewayTimeout || took < 500*time.Millisecond || took > 30*time.Second {
		t.Errorf("status %d after %v", r.status, took)
	}
}

func TestAClientThatLeavesEndsItsStatement(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	url, _, _ := h.serve(t)
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/sql", strings.NewReader(`{"query":"sleep"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Tenant-ID", "acme")
	gone := make(chan error, 1)
	go func() {
		res, err := newClient(t).Do(req)
		if err == nil {
			res.Body.Close()
		}
		gone <- err
	}()
	waitFor(t, func() bool { return h.lent() == 1 && h.session(t).asleep.Load() })
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the request ended with %v", err)
	}
	waitFor(t, func() bool { return h.session(t).released.Load() == 1 })
	if !h.session(t).discarded.Load() {
		t.Error("a connection whose statement was cut is not discarded")
	}
	waitFor(t, func() bool { return h.observed.last().status == 499 })
}

// waitFor polls for what another goroutine brings about and has no channel for.
func waitFor(t testing.TB, is func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("it did not happen within 30s")
		}
	}
}
