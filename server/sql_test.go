package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server"
)

func TestAPlainPostGetsItsRows(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "acme")
	if r.status != http.StatusOK {
		t.Fatalf("status %d: %s", r.status, r.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "Access-Control-Allow-Origin": "*",
	} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if want := `"rows":[{"n":"1"}]`; !strings.Contains(r.body, want) {
		t.Errorf("the body lacks %s: %s", want, r.body)
	}
	if s := h.session(t); s.released.Load() != 1 || s.discarded.Load() {
		t.Errorf("released %d times, discarded %v", s.released.Load(), s.discarded.Load())
	}
}

func TestTheTenantMayStandInThePath(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	if r := h.post(t, "/t/acme/sql", `{"query":"one"}`); r.status != http.StatusOK {
		t.Fatalf("status %d: %s", r.status, r.body)
	}
	if got := h.observed.last(); got != (observation{"/t/:tenant/sql", "POST", 200}) {
		t.Errorf("observed %+v", got)
	}
}

func TestServerTimingIsOnAnswersAndNeverOnRefusals(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	timing := h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "acme").header.Get("Server-Timing")
	if want := regexp.MustCompile(`^resolve;dur=\d+\.\d{3}, pool;dur=\d+\.\d{3}, db;dur=\d+\.\d{3}$`); !want.MatchString(timing) {
		t.Errorf("Server-Timing is %q", timing)
	}
	for name, r := range map[string]reply{
		"unknown tenant": h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "nobody"),
		"suspended":      h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "hooli"),
		"no wall":        h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "shared"),
		"bad body":       h.post(t, "/sql", `{`, "X-Tenant-ID", "acme"),
		"sql error":      h.post(t, "/sql", `{"query":"raise ERROR 42P01"}`, "X-Tenant-ID", "acme"),
	} {
		if got := r.header.Get("Server-Timing"); got != "" {
			t.Errorf("%s: Server-Timing is %q", name, got)
		}
	}
	off := newHarness(t, func(h *harness) { h.cfg.ServerTiming = false })
	if got := off.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "acme").header.Get("Server-Timing"); got != "" {
		t.Errorf("switched off it is %q", got)
	}
}

func TestABatchEchoesItsOptionsAndASingleQueryDoesNot(t *testing.T) {
	t.Parallel()
	headers := []string{
		"X-Tenant-ID", "acme", "Neon-Batch-Isolation-Level", "Serializable", "Neon-Batch-Read-Only", "true", "Neon-Batch-Deferrable", "true",
	}
	batch := newHarness(t).post(t, "/sql", `{"queries":[{"query":"one"},{"query":"one"}]}`, headers...)
	if batch.status != http.StatusOK || strings.Count(batch.body, `"rows"`) != 2 {
		t.Fatalf("status %d: %s", batch.status, batch.body)
	}
	single := newHarness(t).post(t, "/sql", `{"query":"one"}`, headers...)
	for i := 2; i < len(headers); i += 2 {
		if got := batch.header.Get(headers[i]); got != headers[i+1] {
			t.Errorf("%s is %q on a batch, want %q", headers[i], got, headers[i+1])
		}
		if got := single.header.Get(headers[i]); got != "" {
			t.Errorf("%s is %q on a single query", headers[i], got)
		}
	}
}

func TestAPreflightSaysWhatAPageMaySend(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/sql", "/t/acme/sql", "/t/nobody/sql"} {
		h := newHarness(t)
		r := send(t, h.server.Handler(), http.MethodOptions, path, nil, "Origin", "https://page.example", "Access-Control-Request-Method", "POST")
		if r.status != http.StatusOK || r.body != "" {
			t.Errorf("%s: status %d, body %q", path, r.status, r.body)
		}
		for name, want := range map[string]string{
			"Allow": "OPTIONS, POST", "Access-Control-Allow-Origin": "*", "Access-Control-Max-Age": "86400",
		} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		allowed := strings.Split(r.header.Get("Access-Control-Allow-Headers"), ", ")
		for _, want := range []string{
			"Authorization", "Neon-Connection-String", "Neon-Raw-Text-Output", "Neon-Array-Mode", "Neon-Pool-Opt-In", "Neon-Batch-Read-Only",
			"Neon-Batch-Isolation-Level", "Neon-Batch-Deferrable", "Content-Type", "X-Tenant-ID", "X-Request-Timeout",
		} {
			if !slices.Contains(allowed, want) {
				t.Errorf("%s: %s is not among the allowed headers", path, want)
			}
		}
	}
}

func TestRefusalsCanBeReadByAPageToo(t *testing.T) {
	t.Parallel()
	r := newHarness(t).post(t, "/sql", `{}`, "X-Tenant-ID", "nobody")
	if got := r.header.Get("Access-Control-Allow-Origin"); got != "*" {
		t.Errorf("Access-Control-Allow-Origin is %q", got)
	}
}

func TestWithoutSQLThereIsNoSuchRoute(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) { h.cfg.SQL.Enabled = false })
	for _, path := range []string{"/sql", "/t/acme/sql"} {
		if r := h.post(t, path, `{"query":"one"}`, "X-Tenant-ID", "acme"); r.status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, r.status)
		}
	}
}

func TestNoConnectionIsTakenForARequestThatCannotRun(t *testing.T) {
	t.Parallel()
	for name, post := range map[string]func(*harness) reply{
		"unknown tenant": func(h *harness) reply { return h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "nobody") },
		"shared login":   func(h *harness) reply { return h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "shared") },
		"bad body":       func(h *harness) reply { return h.post(t, "/sql", `{"query":`, "X-Tenant-ID", "acme") },
		"bad options": func(h *harness) reply {
			return h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "acme", "Neon-Batch-Isolation-Level", "None")
		},
	} {
		h := newHarness(t)
		if r := post(h); r.status < 400 || h.lent() != 0 {
			t.Errorf("%s: status %d, %d connections lent", name, r.status, h.lent())
		}
	}
}

func TestAConnectionInDoubtIsDiscarded(t *testing.T) {
	t.Parallel()
	for query, discarded := range map[string]bool{
		"one": false, "drop": true, "raise FATAL 57P01": true,
	} {
		h := newHarness(t)
		h.post(t, "/sql", `{"query":"`+query+`"}`, "X-Tenant-ID", "acme")
		if s := h.session(t); s.released.Load() != 1 || s.discarded.Load() != discarded {
			t.Errorf("%s: released %d times, discarded %v, want %v", query, s.released.Load(), s.discarded.Load(), discarded)
		}
	}
}

// panickingSession panics when the server asks for its driver.
type panickingSession struct{ *fakeSession }

func (panickingSession) Walled() error { panic("walled is broken") }

func TestAPanicWithAConnectionDiscardsIt(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	f := &fakeSession{}
	h.server.SetAcquire(func(context.Context, *router.Visit) (server.Session, error) { return panickingSession{f}, nil })
	r := h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "acme")
	if r.status != http.StatusInternalServerError || f.released.Load() != 1 || !f.discarded.Load() {
		t.Errorf("status %d, released %d times, discarded %v", r.status, f.released.Load(), f.discarded.Load())
	}
}

func TestTheConnectionIsBackBeforeTheAnswerIsWritten(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	early := false
	w := &watchedWriter{ResponseRecorder: httptest.NewRecorder(), onWrite: func() { early = h.session(t).released.Load() == 1 }}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/t/acme/sql", strings.NewReader(`{"query":"one"}`))
	h.server.Handler().ServeHTTP(w, req)
	if w.Code != http.StatusOK || !early {
		t.Errorf("status %d, released before the first byte: %v", w.Code, early)
	}
}

type watchedWriter struct {
	*httptest.ResponseRecorder
	onWrite func()
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	w.onWrite()
	return w.ResponseRecorder.Write(p)
}

func TestIsolationIsToldOnlyToAKnownTenant(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for id, want := range map[string]string{"shared": "login of its own", "initech": "Row isolation"} {
		r := h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", id)
		if detail, _ := r.object(t)["detail"].(string); r.status != http.StatusForbidden || !strings.Contains(detail, want) {
			t.Errorf("%s: status %d, detail %q", id, r.status, detail)
		}
	}
	h.records.all = append(h.records.all, &registry.Tenant{
		ID: registry.MustParseID("off"), Status: registry.StatusSuspended, Isolation: registry.IsolationRow, SharedLogin: true,
	})
	unknown, off := h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "nobody"), h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "off")
	if unknown.status != off.status || withoutID(unknown) != withoutID(off) {
		t.Errorf("a suspended tenant shows: %d %s, an unknown one %d %s", off.status, off.body, unknown.status, unknown.body)
	}
}

func withoutID(r reply) string { return strings.ReplaceAll(r.body, r.header.Get("X-Request-Id"), "ID") }

func TestAnErrorMayNotBeLongerThanPeopleRead(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	long := strings.Repeat(`\u0001`, 1<<20)
	for _, code := range []string{"P0001", "53300", "57014"} {
		for _, headers := range [][]string{{"X-Tenant-ID", "acme"}, {"Neon-Connection-String", neon}} {
			r := h.post(t, "/sql", `{"query":"raise ERROR `+code+` `+long+`"}`, headers...)
			if object := r.object(t); object["code"] != code || len(r.body) > 256<<10 {
				t.Errorf("%s, %s: status %d, code %v, %d bytes", headers[0], code, r.status, object["code"], len(r.body))
			}
		}
	}
}
