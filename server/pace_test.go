package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRowsAreStreamedToWhoAcceptsNDJSON(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{
		"application/x-ndjson", "APPLICATION/X-NDJSON", "application/x-ndjson;q=0.1", "application/x-ndjson;q=high",
		"application/json, application/x-ndjson", "application/json;q=0.5, application/x-ndjson;q=0.6", "application/x-ndjson, */*",
		"application/x-ndjson;q=0.5, application/json;q=0.1, */*", "*/*, application/json;q=0, application/x-ndjson;q=0.1",
	} {
		h := newHarness(t)
		r := h.post(t, "/sql", `{"query":"rows 1000"}`, "X-Tenant-ID", "acme", "Accept", accept)
		if r.status != http.StatusOK || r.header.Get("Content-Type") != "application/x-ndjson" || r.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: status %d, %v", accept, r.status, r.header)
		}
		lines := strings.Split(strings.TrimSpace(r.body), "\n")
		if len(lines) != 1002 {
			t.Fatalf("%s: %d lines, want 1002", accept, len(lines))
		}
		var trailer struct{ RowCount int }
		if err := json.Unmarshal([]byte(lines[1001]), &trailer); err != nil || trailer.RowCount != 1000 {
			t.Errorf("the trailer is %s (%v)", lines[1001], err)
		}
		if timing := r.header.Get("Server-Timing"); !strings.HasPrefix(timing, "resolve;dur=") {
			t.Errorf("Server-Timing is %q", timing)
		}
		if s := h.session(t); s.released.Load() != 1 || s.discarded.Load() {
			t.Errorf("released %d times, discarded %v", s.released.Load(), s.discarded.Load())
		}
	}
	for _, accept := range []string{
		"", "*/*", "application/json", "application/x-ndjson;q=0", "application/x-ndjsonx", ";;,,;", strings.Repeat(",", 10000),
		"application/json, application/x-ndjson;q=0.2", "application/x-ndjson;q=0.2, application/json", "application/x-ndjson;q=0.2, */*",
		"application/*;q=0.9, application/x-ndjson;q=0.8, */*;q=0.1", "application/json;q=NaN, application/x-ndjson;q=0.9", "application/x-ndjson;q=-1",
	} {
		r := newHarness(t).post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "acme", "Accept", accept)
		if r.header.Get("Content-Type") != "application/json" {
			t.Errorf("%.20q: Content-Type %s", accept, r.header.Get("Content-Type"))
		}
	}
}

func TestAStreamThatFailsBeforeItsFirstRowIsAnOrdinaryError(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := h.post(t, "/sql", `{"query":"raise ERROR 42P01"}`, "X-Tenant-ID", "acme", "Accept", "application/x-ndjson")
	if r.status != http.StatusBadRequest || r.header.Get("Content-Type") != "application/problem+json" || r.header.Get("Server-Timing") != "" {
		t.Errorf("status %d, %v: %s", r.status, r.header, r.body)
	}
}

func TestABatchIsNotStreamed(t *testing.T) {
	t.Parallel()
	r := newHarness(t).post(t, "/sql", `{"queries":[{"query":"one"}]}`, "X-Tenant-ID", "acme", "Accept", "application/x-ndjson")
	if r.status != http.StatusBadRequest || !strings.Contains(r.body, "batch") {
		t.Errorf("status %d: %s", r.status, r.body)
	}
}

func TestAStreamThatFlowsOutlivesTheWriteTimeout(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) { h.cfg.WriteTimeout = 2 * time.Second })
	h.serve(t)
	conn := slowReader(t, h.server.Addr(), 256<<10, `{"query":"rows 3000000"}`)
	// Read for longer than write_timeout, yet never pause for as long.
	lines, began := 0, time.Now()
	scanner := bufio.NewScanner(conn)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		if lines++; lines%300000 == 0 {
			<-time.After(300 * time.Millisecond)
		}
		if strings.Contains(scanner.Text(), "rowCount") {
			break
		}
	}
	if err := scanner.Err(); err != nil || lines < 3000000 || time.Since(began) < 2*time.Second {
		t.Errorf("%d lines in %v: %v", lines, time.Since(began), err)
	}
}

func TestAReaderThatStopsReadingIsCutAndItsConnectionFreed(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"stream": `{"query":"rows 5000000"}`, "answer": `{"query":"wide 9000000"}`} {
		h := newHarness(t, func(h *harness) { h.cfg.WriteTimeout = 200 * time.Millisecond })
		h.serve(t)
		conn := slowReader(t, h.server.Addr(), 16<<10, body)
		waitFor(t, func() bool { return h.observed.last().status == http.StatusOK })
		if s := h.session(t); s.released.Load() != 1 {
			t.Errorf("%s: the connection is still out", name)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		waitFor(t, func() bool { return strings.Contains(h.log.String(), "i/o timeout") })
	}
}

// slowReader posts by hand, so that nothing reads ahead of the test.
func slowReader(t *testing.T, address string, buffer int, body string) net.Conn {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.(*net.TCPConn).SetReadBuffer(buffer); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(2 * time.Minute))
	accept := "application/json"
	if strings.Contains(body, "rows") {
		accept = "application/x-ndjson"
	}
	fmt.Fprintf(conn, "POST /t/acme/sql HTTP/1.1\r\nHost: x\r\nAccept: %s\r\nContent-Length: %d\r\n\r\n%s", accept, len(body), body)
	return conn
}

func TestAKeptConnectionForgetsTheLastRequestsWriteDeadline(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) { h.cfg.WriteTimeout = 500 * time.Millisecond })
	url, _, _ := h.serve(t)
	client := newClient(t)
	for range 3 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/t/acme/sql", strings.NewReader(`{"query":"one"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Expect", "100-continue")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("status %d: %v", res.StatusCode, err)
		}
		res.Body.Close()
		<-time.After(600 * time.Millisecond) // the deadline of the last write passes
	}
}
