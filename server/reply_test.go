package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) object(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("the body is no JSON object: %v\n%s", err, r.body)
	}
	return v
}

// post sends body to path; headers alternate names and values.
func (h *harness) post(t testing.TB, path, body string, headers ...string) reply {
	t.Helper()
	return h.hold(t, http.MethodPost, path, send(t, h.server.Handler(), http.MethodPost, path, strings.NewReader(body), headers...))
}

func (h *harness) get(t testing.TB, path string, headers ...string) reply {
	t.Helper()
	return h.hold(t, http.MethodGet, path, send(t, h.server.Handler(), http.MethodGet, path, nil, headers...))
}

// hold holds an answer of the data API to its document.
func (h *harness) hold(t testing.TB, method, path string, r reply) reply {
	t.Helper()
	if !h.cfg.SQL.Enabled {
		return r // there is no such API
	}
	return holdData(t, method, path, r)
}

// change sends a PATCH to the admin handler.
func (h *harness) change(t testing.TB, path, body string, headers ...string) reply {
	t.Helper()
	return send(t, h.server.AdminHandler(), http.MethodPatch, path, strings.NewReader(body), headers...)
}

// admin asks the admin handler as a program on this machine does.
func (h *harness) admin(t testing.TB, method, path string, headers ...string) reply {
	t.Helper()
	return send(t, h.server.AdminHandler(), method, path, nil, headers...)
}

func send(t testing.TB, handler http.Handler, method, path string, body io.Reader, headers ...string) reply {
	t.Helper()
	return sendFrom(t, "127.0.0.1:40000", handler, method, path, body, headers...)
}

// sendFrom sends as a peer does; what the admin API answers is held to its
// document.
func sendFrom(t testing.TB, peer string, handler http.Handler, method, path string, body io.Reader, headers ...string) reply {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, path, body)
	req.RemoteAddr, req.Host = peer, "localhost:8081"
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, req)
	r := reply{w.Code, w.Result().Header, w.Body.String()}
	if strings.HasPrefix(path, "/v1/") {
		hold(t, method, path, r)
	}
	return r
}
