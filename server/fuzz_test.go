package server_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzRequest sends anything to the data API. Whatever it is, the answer is
// a status below 500 (or 507 and 504, which a statement may earn), with a
// request id that is fit for a header.
func FuzzRequest(f *testing.F) {
	f.Add("/sql", "acme", "", "", "", `{"query":"one"}`)
	f.Add("/sql", "", neon, "", "Serializable", `{"queries":[{"query":"one"},{"query":"echo","params":["x"]}]}`)
	f.Add("/t/acme/sql", "", "", "application/x-ndjson", "", `{"query":"rows 200"}`)
	f.Add("/t/acme/sql", "globex", "", "", "", `{"query":"one"}`)
	f.Add("/t/%00/sql", "\x00", "postgresql://%zz@[::1]:x/?", "*/*;q=", "\x7f", "{\"query\":\"\x00\"}")
	f.Add("/sql", "acme", "", "", "", `{"query":"echo","params":[[[["a",null,{"b":1e400}]]]],"arrayMode":true}`)
	f.Add("/t/acme/sql", "", "", "", "", `{"query":"raise ERROR 42P01"}`)
	f.Add("/t/../sql", "a'\"; DROP", "x", "", "", strings.Repeat(`[`, 5000))
	f.Add("//sql", "ü", "://@/", ",,,;;;", "true", `{"queries":[]}`)
	h := newHarness(f, func(h *harness) { h.cfg.SQL.MaxBody, h.cfg.SQL.MaxResult = 64<<10, 64<<10 })
	f.Fuzz(func(t *testing.T, path, tenant, connection, accept, option, body string) {
		if strings.Contains(body, "drop") || strings.Contains(body, "sleep") || strings.Contains(body, "FATAL") || len(path) == 0 || path[0] != '/' {
			return // words with which the fake PostgreSQL plays a real outage
		}
		req := &http.Request{
			Method: http.MethodPost, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: "x", RemoteAddr: "203.0.113.1:1",
			URL: &url.URL{Path: path}, Header: http.Header{}, Body: http.NoBody,
		}
		req.Body, req.ContentLength = readCloser(body), int64(len(body))
		for name, value := range map[string]string{
			"X-Tenant-Id": tenant, "Neon-Connection-String": connection, "Accept": accept, "Neon-Batch-Isolation-Level": option,
			"Traceparent": option, "X-Request-Id": option, "X-Request-Timeout": option, "Content-Encoding": accept,
		} {
			if value != "" {
				req.Header[name] = []string{value}
			}
		}
		w := httptest.NewRecorder()
		h.server.Handler().ServeHTTP(w, req.WithContext(t.Context()))
		h.forget()
		switch {
		case w.Code >= 500 && w.Code != http.StatusInsufficientStorage && w.Code != http.StatusGatewayTimeout:
			t.Errorf("status %d: %s", w.Code, w.Body)
		case w.Header().Get("X-Request-Id") == "" || strings.ContainsAny(w.Header().Get("X-Request-Id"), "\r\n\x00"):
			t.Errorf("X-Request-Id is %q", w.Header().Get("X-Request-Id"))
		}
	})
}
