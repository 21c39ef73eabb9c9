package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestAHandshakeThatDoesNotComeEndsTheConnection(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withTLS(t, newAuthority(t)), func(h *harness) { h.cfg.ReadHeaderTimeout = 100 * time.Millisecond })
	h.serve(t)
	if status := rawRequest(t, h.server.Addr(), "\x16\x03\x01"); status != "" {
		t.Errorf("answered %q", status)
	}
}

func TestAKeptConnectionIsClosedWhenItIdles(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	h := newHarness(t, withTLS(t, a), func(h *harness) { h.cfg.IdleTimeout = 100 * time.Millisecond })
	h.serve(t)
	conn, err := (&tls.Dialer{Config: a.trusting(t, nil, nil)}).DialContext(t.Context(), "tcp", h.server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(conn, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	text, err := io.ReadAll(conn) // comes to an end by itself
	if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 200") {
		t.Errorf("%v: %s", err, text)
	}
	w := newWire(t, a, h.server.Addr())
	if f := w.until(frameGoAway); f == nil {
		t.Error("an idle connection of HTTP/2 ends without a word")
	}
}

func TestABodyThatDoesNotComeIs408OverHTTP2(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	h := newHarness(t, withTLS(t, a), func(h *harness) { h.cfg.ReadTimeout = time.Second }) // the handshake's limit, too
	h.serve(t)
	w := newWire(t, a, h.server.Addr())
	w.send(frameHeaders, flagEndHeaders, 1, post())
	w.send(frameData, 0, 1, []byte(`{"que`))
	if f := w.until(frameData); f == nil || !strings.Contains(string(f.payload), "request_timeout") {
		t.Errorf("got %+v", f)
	}
	if got := h.observed.last(); got != (observation{"/t/:tenant/sql", "POST", http.StatusRequestTimeout}) {
		t.Errorf("observed %+v", got)
	}
}

// Behind a proxy a connection is that of many tenants.
func TestABodyThatIsTooLargeEndsItsStreamAndNotTheConnection(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	h := newHarness(t, withTLS(t, a), func(h *harness) { h.cfg.SQL.MaxBody = 1024 })
	h.serve(t)
	w := newWire(t, a, h.server.Addr())
	w.send(frameHeaders, flagEndHeaders, 1, post("content-length", "5000"))
	w.send(frameHeaders, flagEndHeaders, 3, post())
	w.send(frameData, flagEnd, 3, []byte(`{"query":"one"}`))
	for answered := 0; answered < 2; {
		switch f := w.next(); {
		case f == nil || f.kind == frameGoAway:
			t.Fatal("the connection goes away")
		case f.kind == frameData && f.stream == 1 && !strings.Contains(string(f.payload), "body_too_large"):
			t.Errorf("got %s", f.payload)
		case f.kind == frameData && f.flags&flagEnd != 0:
			answered++
		}
	}
}

func TestHeadersThatAreTooManyAre431OverHTTP2(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	h := newHarness(t, withTLS(t, a), func(h *harness) { h.cfg.MaxHeaderBytes = 4096 })
	h.serve(t)
	w := newWire(t, a, h.server.Addr())
	var many []string
	for i := range 60 {
		many = append(many, fmt.Sprintf("x-%d", i), strings.Repeat("a", 100))
	}
	w.send(frameHeaders, flagEndHeaders|flagEnd, 1, post(many...))
	if f := w.until(frameHeaders); f == nil || !strings.Contains(string(f.payload), "431") {
		t.Errorf("got %+v", f)
	}
	if h.lent() != 0 {
		t.Error("it got as far as a connection")
	}
}

func TestAReaderOfHTTP2ThatStopsReadingIsCutAndItsConnectionFreed(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for name, accept := range map[string]string{"stream": "application/x-ndjson", "answer": "application/json"} {
		h := newHarness(t, withTLS(t, a), func(h *harness) { h.cfg.WriteTimeout = time.Second }) // the handshake's limit, too
		h.serve(t)
		w := newWire(t, a, h.server.Addr())
		w.send(frameHeaders, flagEndHeaders, 1, post("accept", accept))
		body := map[string]string{"stream": `{"query":"rows 5000000"}`, "answer": `{"query":"wide 9000000"}`}[name]
		w.send(frameData, flagEnd, 1, []byte(body))
		// The window of 64 KiB is never widened: the stream ends, not the connection.
		if f := w.until(frameReset); f == nil || f.stream != 1 {
			t.Fatalf("%s: got %+v", name, f)
		}
		waitFor(t, func() bool { return h.session(t).released.Load() == 1 })
		w.send(framePing, 0, 0, []byte("12345678"))
		for f := w.next(); f == nil || f.kind != framePing; f = w.next() {
			if f == nil {
				t.Fatalf("%s: the connection ended too", name)
			}
		}
	}
}

func TestAClientMayHaveSoManyStreamsAndNoMore(t *testing.T) {
	t.Parallel()
	const most = 250
	a := newAuthority(t)
	h := newHarness(t, withTLS(t, a))
	h.serve(t)
	w := newWire(t, a, h.server.Addr())
	settings := w.until(frameSettings)
	said := uint32(0)
	for p := settings.payload; len(p) >= 6; p = p[6:] {
		if binary.BigEndian.Uint16(p) == 3 { // SETTINGS_MAX_CONCURRENT_STREAMS
			said = binary.BigEndian.Uint32(p[2:])
		}
	}
	if said != most {
		t.Fatalf("the server says that %d streams are allowed", said)
	}
	w.send(frameSettings, flagAck, 0, nil)
	for i := range uint32(most + 1) {
		w.send(frameHeaders, flagEndHeaders, 2*i+1, post()) // the bodies do not come
	}
	if f := w.until(frameReset); f == nil || f.stream != 2*most+1 {
		t.Errorf("got %+v, want the last one reset", f)
	}
}

func TestStreamsThatAreResetAtOnceDoNotPileUp(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	h := newHarness(t, withTLS(t, a))
	h.serve(t)
	before := runtime.NumGoroutine()
	w := newWire(t, a, h.server.Addr())
	go func() { _, _ = io.Copy(io.Discard, w.in) }()
	var most int
	for i := range uint32(20_000) {
		b := appendFrame(nil, frameHeaders, flagEndHeaders, 2*i+1, post())
		b = appendFrame(b, frameReset, 0, 2*i+1, []byte{0, 0, 0, 8})
		if _, err := w.conn.Write(b); err != nil {
			break // the server has had enough, which is an answer too
		}
		if i%500 == 0 {
			most = max(most, runtime.NumGoroutine()-before)
		}
	}
	if most > 3000 { // other tests run beside
		t.Errorf("%d goroutines more than before", most)
	}
	if res, err := ask(t, over(t, a.trusting(t, nil, nil), "h2"), "https://"+h.server.Addr()+"/t/acme/sql"); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("others meanwhile: %v, %v", res, err)
	}
}

func TestAStreamOfHTTP2ThatFlowsOutlivesTheWriteTimeout(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	h := newHarness(t, withTLS(t, a), func(h *harness) { h.cfg.WriteTimeout = 2 * time.Second })
	h.serve(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+h.server.Addr()+"/t/acme/sql", strings.NewReader(`{"query":"rows 3000000"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/x-ndjson")
	res, err := over(t, a.trusting(t, nil, nil), "h2").Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines, began := 0, time.Now()
	for scanner := bufio.NewScanner(res.Body); scanner.Scan(); {
		if lines++; lines%300000 == 0 {
			<-time.After(300 * time.Millisecond)
		}
	}
	if lines != 3000002 || time.Since(began) < 2*time.Second {
		t.Errorf("%d lines in %v", lines, time.Since(began))
	}
}

func TestAClientOfHTTP2ThatLeavesEndsItsStatement(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	h := newHarness(t, withTLS(t, a))
	h.serve(t)
	ctx, leave := context.WithCancel(t.Context())
	client := over(t, a.trusting(t, nil, nil), "h2")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+h.server.Addr()+"/t/acme/sql", strings.NewReader(`{"query":"sleep"}`))
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() {
		res, err := client.Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		gone <- err
	}()
	waitFor(t, func() bool { return h.lent() == 1 && h.session(t).asleep.Load() })
	leave()
	if err := <-gone; err == nil {
		t.Fatal("it was answered")
	}
	waitFor(t, func() bool { return h.session(t).released.Load() == 1 && h.observed.last().status == 499 })
}
