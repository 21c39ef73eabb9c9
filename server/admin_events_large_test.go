package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// An operation over thousands of tenants changes with each of them, and its
// event lists all that failed so far.
func TestLargeEventsComeSeldomAndTheLastAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, withSlowOperator, func(h *harness) {
			h.operator.pace, h.operator.steps = time.Millisecond, slices.Repeat([]string{strings.Repeat("x", 50_000)}, 1000)
		})
		op := h.ask(t, http.MethodPost, "/v1/tenants/acme/rotate", "", "Prefer", "wait=0").object(t)["id"].(string)
		var ended time.Time
		time.AfterFunc(1050*time.Millisecond, func() { ended = time.Now(); close(h.operator.release) })
		r := h.admin(t, http.MethodGet, "/v1/operations/"+op+"/events")
		if late := time.Since(ended); late != 0 {
			t.Errorf("the end came %v late", late)
		}
		var seen []event
		eventsIn(t, strings.NewReader(r.body), func(e event) { seen = append(seen, e) })
		if n := len(seen); n < 5 || n > 40 || seen[n-1].state != "done" {
			t.Errorf("%d events of 50 kB in a second, the last %s", n, seen[n-1].state)
		}
	})
}
