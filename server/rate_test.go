package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/admission"
	"github.com/poolkeeper/poolkeeper/server"
)

// rated lets every tenant make five requests, and then none for long.
func rated(t *testing.T) func(*harness) {
	t.Helper()
	cfg := admission.Defaults()
	cfg.Rate, cfg.Burst = 0.001, 5
	control, err := admission.New(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(control.Close)
	return func(h *harness) {
		h.routes = func(_ *router.Config, d *router.Deps) { d.Admission = control }
	}
}

func TestAnswersAndRefusalsSayWhatIsLeftOfTheRate(t *testing.T) {
	t.Parallel()
	for _, headers := range [][]string{{"X-Tenant-ID", "acme"}, {"Neon-Connection-String", neon}} {
		h := newHarness(t, rated(t))
		for i, body := range []string{`{"query":"one"}`, `{"query":"raise ERROR 42P01"}`, `{"query":"rows 3"}`, `{"query"`, `{"query":"one"}`} {
			r := h.post(t, "/sql", body, append(headers, "Accept", "application/x-ndjson, application/json")...)
			left := `"default";r=` + string(rune('4'-i)) + `;t=`
			if got := r.header.Get("RateLimit"); !strings.HasPrefix(got, left) || r.header.Get("RateLimit-Policy") != `"default";q=5;w=5000` {
				t.Errorf("%s: answer %d (status %d) has RateLimit %s, policy %s", headers[0], i, r.status, got, r.header.Get("RateLimit-Policy"))
			}
		}
		r := h.post(t, "/sql", `{"query":"one"}`, headers...)
		if r.status != http.StatusTooManyRequests || !strings.HasPrefix(r.header.Get("RateLimit"), `"default";r=0;t=`) || len(r.header.Get("Retry-After")) < 3 {
			t.Errorf("%s: the sixth: status %d, %v: %s", headers[0], r.status, r.header, r.body)
		}
		if r := h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "quick"); r.status != http.StatusOK {
			t.Errorf("%s: another tenant: status %d", headers[0], r.status)
		}
		for _, unknown := range []string{"nobody", "hooli"} {
			r := h.post(t, "/t/"+unknown+"/sql", `{"query":"one"}`)
			if r.status != http.StatusNotFound || r.header.Get("RateLimit") != "" || r.header.Get("RateLimit-Policy") != "" {
				t.Errorf("%s: status %d, %v", unknown, r.status, r.header)
			}
		}
	}
}

func TestATenantThatIsRemovedMeanwhileHasNoRateToTellOf(t *testing.T) {
	t.Parallel()
	for _, headers := range [][]string{{"X-Tenant-ID", "acme"}, {"Neon-Connection-String", neon}} {
		h := newHarness(t, rated(t))
		h.server.SetAcquire(func(context.Context, *router.Visit) (server.Session, error) {
			return nil, registry.ErrUnknown
		})
		r := h.post(t, "/sql", `{"query":"one"}`, headers...)
		if r.status >= 500 || r.header.Get("RateLimit") != "" || r.header.Get("RateLimit-Policy") != "" || r.header.Get("Server-Timing") != "" {
			t.Errorf("%s: status %d, %v", headers[0], r.status, r.header)
		}
	}
}
