package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/admission"
)

// lingering takes its time with the answer.
type lingering struct {
	*httptest.ResponseRecorder
	meanwhile func()
}

func (w *lingering) Write(p []byte) (int, error) {
	if fn := w.meanwhile; fn != nil {
		w.meanwhile = nil
		fn()
	}
	return w.ResponseRecorder.Write(p)
}

// The answer is in memory until the client has taken it: whoever takes none
// could else pile up as many as it likes.
func TestARequestIsUnderWayUntilItsAnswerIsWritten(t *testing.T) {
	t.Parallel()
	cfg := admission.Defaults()
	cfg.InFlight = 1
	control, err := admission.New(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(control.Close)
	h := newHarness(t, func(h *harness) {
		h.routes = func(_ *router.Config, d *router.Deps) { d.Admission = control }
	})
	for name, headers := range map[string][]string{"an answer": nil, "a stream": {"Accept", "application/x-ndjson"}, "an error": nil} {
		sql := map[string]string{"an error": "raise ERROR 42P01"}[name]
		if sql == "" {
			sql = "rows 3"
		}
		var during reply
		w := &lingering{httptest.NewRecorder(), func() { during = h.post(t, "/t/acme/sql", `{"query":"one"}`) }}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/t/acme/sql", strings.NewReader(`{"query":"`+sql+`"}`))
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		h.server.Handler().ServeHTTP(w, r)
		if during.status != http.StatusTooManyRequests {
			t.Errorf("while %s is written (%d) the next is answered %d: %s", name, w.Code, during.status, during.body)
		}
		if after := h.post(t, "/t/acme/sql", `{"query":"one"}`); after.status != http.StatusOK {
			t.Errorf("after %s the next is answered %d: %s", name, after.status, after.body)
		}
	}
}
