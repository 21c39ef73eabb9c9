package server_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestBadBodiesGetAClear400(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for name, body := range map[string]string{
		"empty":                "",
		"no JSON":              "select 1",
		"cut off":              `{"query":"one"`,
		"something behind":     `{"query":"one"} {}`,
		"an array":             `[]`,
		"a string":             `"one"`,
		"no query":             `{"params":[]}`,
		"query is a number":    `{"query":1}`,
		"query is null":        `{"query":null}`,
		"params is an object":  `{"query":"one","params":{}}`,
		"queries is an object": `{"queries":{}}`,
		"query and queries":    `{"query":"one","queries":[]}`,
		"arrayMode is text":    `{"query":"one","arrayMode":"yes"}`,
		"NUL in the query":     `{"query":"one\u0000"}`,
		"NUL in a parameter":   `{"query":"echo","params":["a\u0000b"]}`,
		"a raw NUL":            "{\"query\":\"one\x00\"}",
		"invalid UTF-8":        "{\"query\":\"\xff\xfe\"}",
		"deep nesting":         `{"query":"echo","params":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
	} {
		for _, headers := range [][]string{{"X-Tenant-ID", "acme"}, {"Neon-Connection-String", neon}} {
			r := h.post(t, "/sql", body, headers...)
			if r.status != http.StatusBadRequest {
				t.Errorf("%s: status %d: %s", name, r.status, r.body)
				continue
			}
			object := r.object(t)
			if text := fmt.Sprint(object["detail"], object["message"]); len(text) < 10 {
				t.Errorf("%s: the body says little: %s", name, r.body)
			}
		}
	}
	if h.lent() != 0 {
		t.Errorf("%d connections were taken for them", h.lent())
	}
}

func TestParametersMayBeLong(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	long := strings.Repeat("ü'\"", 10000)
	r := h.post(t, "/sql", fmt.Sprintf(`{"query":"echo","params":[%q]}`, long), "X-Tenant-ID", "acme")
	if r.status != http.StatusOK || len(r.body) < len(long) {
		t.Errorf("status %d, %d bytes", r.status, len(r.body))
	}
}

func TestNoContentTypeIsRequired(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, media := range []string{"text/plain;charset=UTF-8", "application/sql", "application/json", "nonsense"} {
		if r := h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "acme", "Content-Type", media); r.status != http.StatusOK {
			t.Errorf("%s: status %d", media, r.status)
		}
	}
}

func TestACompressedBodyIsRefused(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	if r := h.post(t, "/sql", "\x1f\x8b", "X-Tenant-ID", "acme", "Content-Encoding", "gzip"); r.status != http.StatusUnsupportedMediaType {
		t.Errorf("gzip: status %d", r.status)
	}
	if r := h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "acme", "Content-Encoding", "identity"); r.status != http.StatusOK {
		t.Errorf("identity: status %d", r.status)
	}
}

func TestABodyOverTheLimitIs413WhetherItsLengthIsToldOrNot(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) { h.cfg.SQL.MaxBody = 4096 })
	url, _, _ := h.serve(t)
	body := `{"query":"` + strings.Repeat("x", 8000) + `"}`
	for name, reader := range map[string]io.Reader{"told": strings.NewReader(body), "chunked": io.MultiReader(strings.NewReader(body))} {
		res := do(t, url+"/sql", reader, "X-Tenant-ID", "acme")
		if res.StatusCode != http.StatusRequestEntityTooLarge || !res.Close {
			t.Errorf("%s: status %d, connection closed: %v", name, res.StatusCode, res.Close)
		}
	}
	exact := `{"query":"one"` + strings.Repeat(" ", 4096-15) + `}`
	if res := do(t, url+"/sql", strings.NewReader(exact), "X-Tenant-ID", "acme"); res.StatusCode != http.StatusOK {
		t.Errorf("%d bytes: status %d", len(exact), res.StatusCode)
	}
}

// Many clients read nothing before they have sent all: more than lies in the
// buffers of a connection must not end it.
func TestABodyThatIsTooLargeIsTakenSoThatTheAnswerIsRead(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) { h.cfg.SQL.MaxBody = 4096 })
	h.serve(t)
	const size = 24 << 20
	rest := strings.Repeat("x", size)
	for name, text := range map[string]string{
		"told":    fmt.Sprintf("Content-Length: %d\r\n\r\n%s", size, rest),
		"chunked": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", size, rest),
	} {
		status := rawRequest(t, h.server.Addr(), "POST /sql HTTP/1.1\r\nHost: x\r\nX-Tenant-ID: acme\r\n"+text)
		if !strings.Contains(status, " 413 ") {
			t.Errorf("%s: answered %q", name, status)
		}
	}
}

// Such a body need not be waited for: its client waits, or has too much.
func TestABodyThatIsTooLargeIsRefusedAtOnceWhenNoneOfItComes(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) { h.cfg.SQL.MaxBody = 4096 })
	h.serve(t)
	for name, text := range map[string]string{
		"expects a word": "Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n",
		"much too large": "Content-Length: 9000000000\r\n\r\n",
	} {
		status := rawRequest(t, h.server.Addr(), "POST /sql HTTP/1.1\r\nHost: x\r\nX-Tenant-ID: acme\r\n"+text)
		if !strings.Contains(status, " 413 ") {
			t.Errorf("%s: answered %q", name, status)
		}
	}
}

// do posts, and reads the answer to its end.
func do(t *testing.T, url string, body io.Reader, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := newClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res
}

// newClient returns a client whose connections end with the test.
func newClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestABodyThatDoesNotComeIs408(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) { h.cfg.ReadTimeout = 100 * time.Millisecond })
	h.serve(t)
	status := rawRequest(t, h.server.Addr(), "POST /sql HTTP/1.1\r\nHost: x\r\nX-Tenant-ID: acme\r\nContent-Length: 100\r\n\r\n{\"que")
	if status != "HTTP/1.1 408 Request Timeout" {
		t.Errorf("answered %q", status)
	}
}

func TestHeadersThatAreTooManyAre431(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) { h.cfg.MaxHeaderBytes = 4096 })
	h.serve(t)
	status := rawRequest(t, h.server.Addr(), "POST /sql HTTP/1.1\r\nHost: x\r\nX-Tenant-ID: "+strings.Repeat("a", 20000)+"\r\n\r\n")
	if status != "HTTP/1.1 431 Request Header Fields Too Large" {
		t.Errorf("answered %q", status)
	}
}

func TestHeadersThatDoNotComeEndTheConnection(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) { h.cfg.ReadHeaderTimeout = 100 * time.Millisecond })
	h.serve(t)
	if status := rawRequest(t, h.server.Addr(), "POST /sql HTTP/1.1\r\nHost: x\r\n"); status != "" {
		t.Errorf("answered %q", status)
	}
}

// rawRequest sends text and returns the first line that comes back, "" when
// the connection ends without one.
func rawRequest(t *testing.T, address, text string) string {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil && line == "" && !isEnd(err) {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// isEnd reports whether err says that the other side closed the connection.
func isEnd(err error) bool {
	var network net.Error
	return !errors.As(err, &network) || !network.Timeout()
}
