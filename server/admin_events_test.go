package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// event is one of a stream's.
type event struct{ id, state, step string }

func eventsIn(t testing.TB, body io.Reader, told func(event)) (beats int) {
	t.Helper()
	var e event
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "":
			if lines.Text() != "" {
				beats++
			} else if e != (event{}) {
				told(e)
				e = event{}
			}
		case "id":
			e.id = value
		case "event":
			if value != "operation" {
				t.Errorf("an event called %s", value)
			}
		case "data":
			var op struct{ State, Step string }
			if err := json.Unmarshal([]byte(value), &op); err != nil {
				t.Errorf("%v: %s", err, value)
			}
			e.state, e.step = op.State, op.Step
		default:
			t.Errorf("a line %q", lines.Text())
		}
	}
	return beats
}

func TestEventsComeInOrderAndEndWithTheLast(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withSlowOperator, func(h *harness) {
		h.operator.steps = []string{"role", "schema", "migrations"}
		h.cfg.WriteTimeout, h.cfg.ReadTimeout, h.cfg.ReadHeaderTimeout = time.Second, time.Second, time.Second
	})
	_, admin, _ := h.serve(t)
	op := h.ask(t, http.MethodPost, "/v1/tenants/acme/rotate", "", "Prefer", "wait=0").object(t)["id"].(string)
	res := doRequest(t, http.MethodGet, admin+"/v1/operations/"+op+"/events")
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("Cache-Control") != "no-store" ||
		res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Fatalf("status %d %v", res.StatusCode, res.Header)
	}
	var seen []event
	eventsIn(t, res.Body, func(e event) {
		if seen = append(seen, e); len(seen) == 1 {
			close(h.operator.release)
		}
	})
	last := seen[len(seen)-1]
	if len(seen) < 2 || last.state != "done" {
		t.Errorf("saw %v", seen)
	}
	steps := []string{"", "role", "schema", "migrations"}
	at := 0
	for i, e := range seen {
		now := slices.Index(steps, e.step)
		if e.id != fmt.Sprint(i+1) || now < at || (e.state == "running") == (i == len(seen)-1) {
			t.Errorf("out of order: %v", seen)
		}
		at = now
	}
}

func doRequest(t testing.TB, method, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestAQuietStreamSaysThatItIsAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, withSlowOperator)
		op := h.ask(t, http.MethodPost, "/v1/tenants/acme/rotate", "", "Prefer", "wait=0").object(t)["id"].(string)
		time.AfterFunc(50*time.Second, func() { close(h.operator.release) })
		r := h.admin(t, http.MethodGet, "/v1/operations/"+op+"/events")
		var seen []event
		if beats := eventsIn(t, strings.NewReader(r.body), func(e event) { seen = append(seen, e) }); beats != 3 || len(seen) != 2 {
			t.Errorf("%d heartbeats and %v in 50s:\n%s", beats, seen, r.body)
		}
	})
}

func TestFollowingEndsWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, withSlowOperator)
		for _, path := range []string{"/v1/operations/op-0001/events", "/v1/tenants/acme/rotate"} {
			h.ask(t, http.MethodPost, "/v1/tenants/acme/provision", "", "Prefer", "wait=0")
			ctx, leave := context.WithCancel(t.Context())
			method := http.MethodPost
			if strings.HasSuffix(path, "events") {
				method = http.MethodGet
			}
			req := httptest.NewRequestWithContext(ctx, method, path, nil)
			req.RemoteAddr, req.Host = "127.0.0.1:1", "localhost"
			time.AfterFunc(time.Second, leave)
			began := time.Now()
			h.server.AdminHandler().ServeHTTP(httptest.NewRecorder(), req)
			if took := time.Since(began); took != time.Second {
				t.Errorf("%s ended after %s", path, took)
			}
		}
	})
}

func TestAStopDoesNotWaitForThoseWhoFollow(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withSlowOperator)
	_, admin, stop := h.serve(t)
	op := h.ask(t, http.MethodPost, "/v1/tenants/acme/rotate", "", "Prefer", "wait=0").object(t)["id"].(string)
	res := doRequest(t, http.MethodGet, admin+"/v1/operations/"+op+"/events")
	defer res.Body.Close()
	ended := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(res.Body) // an error when the stream is cut, not ended
		ended <- err
	}()
	if err := stop(); err != nil {
		t.Errorf("the stop: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the stream: %v", err)
	}
}
