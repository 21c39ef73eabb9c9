package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/poolkeeper/poolkeeper/server"
)

func TestATenantThatTheClientHasIsNotSentAgain(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	for tag, want := range map[string]int{`"2"`: 304, `W/"2"`: 304, `"1", "2"`: 304, "*": 304, `"1"`: 200, `"22"`: 200, `""`: 200, "2": 400, `"2`: 400, `"1" "2"`: 400} {
		r := h.admin(t, http.MethodGet, "/v1/tenants/hooli", "If-None-Match", tag)
		if r.status != want || r.header.Get("Cache-Control") != "no-store" || want == 304 && (r.body != "" || r.header.Get("ETag") != `"2"`) {
			t.Errorf("%s: status %d, want %d: %s", tag, r.status, want, r.body)
		}
	}
}

func TestOnlyTheVersionThatWasReadIsChanged(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]int{
		"": 200, "*": 200, `"1"`: 200, `"7", "1"`: 200, `"2"`: 412, `W/"1"`: 412, `"0"`: 412, `"x"`: 412, `"1x"`: 412, `"7", "8"`: 412,
		"1": 400, `"1`: 400, `,"1"`: 400, `"99999999999999999999"`: 412,
	} {
		for _, method := range []string{"PATCH /v1/tenants/acme", "POST /v1/tenants/acme/suspend", "POST /v1/tenants/acme/resume", "POST /v1/tenants/acme/retire"} {
			h := newHarness(t, withOperator)
			verb, path, _ := strings.Cut(method, " ")
			headers := []string{"If-Match", tag}
			if tag == "" {
				headers = nil
			}
			r := h.ask(t, verb, path, "{}", headers...)
			if r.status != want || want == 412 && r.object(t)["code"] != "stale" {
				t.Errorf("%s with %s: status %d, want %d: %s", method, tag, r.status, want, r.body)
			}
		}
	}
}

func TestOfManyChangesToOneVersionOneWins(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	var changing sync.WaitGroup
	replies := make([]reply, 20)
	for i := range replies {
		changing.Go(func() {
			replies[i] = h.ask(t, http.MethodPatch, "/v1/tenants/acme", fmt.Sprintf(`{"name":"n%d"}`, i), "If-Match", `"1"`)
		})
	}
	changing.Wait()
	won := ""
	for i, r := range replies {
		switch {
		case r.status == http.StatusOK && won == "":
			won = fmt.Sprint("n", i)
		case r.status != http.StatusPreconditionFailed:
			t.Errorf("status %d: %s", r.status, r.body)
		}
	}
	if got := h.admin(t, http.MethodGet, "/v1/tenants/acme").object(t)["name"]; won == "" || got != won {
		t.Errorf("%q won and the name is %v", won, got)
	}
}

func FuzzETags(f *testing.F) {
	f.Add(`"1", W/"2"`, uint64(1))
	f.Add(`*`, uint64(0))
	f.Add(`"`, uint64(9))
	f.Fuzz(func(t *testing.T, text string, version uint64) {
		has, err := server.ParseTags(text, version)
		if err == nil && has && strings.TrimSpace(text) != "*" && !strings.Contains(text, fmt.Sprintf("%q", fmt.Sprint(version))) {
			t.Errorf("%q has %d", text, version)
		}
	})
}
