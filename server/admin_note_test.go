package server_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
)

func TestWhatIsDoneToTheRunningServerIsInTheAuditTrailAndTheLog(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator, withClusters, withStats, func(h *harness) {
		h.flush = func(context.Context, registry.ID) error { return nil }
		h.warm = func(context.Context, registry.ID) error { return nil }
	})
	for _, call := range [][2]string{
		{"PATCH /v1/pools/acme", `{"weight":5}`},
		{"PATCH /v1/pools/acme", `{"weight":5}`}, // nothing changes
		{"PATCH /v1/clusters/main", `{"budget":40}`},
		{"POST /v1/pools/acme/evict", ""},
		{"POST /v1/pools/acme/warm", ""},
		{"POST /v1/tenants/acme/flush", ""},
		{"POST /v1/drain", ""},
		{"POST /v1/pools/nobody/evict", ""}, // is refused
	} {
		method, path, _ := strings.Cut(call[0], " ")
		h.ask(t, method, path, call[1])
	}
	want := []string{
		`local: note pool.limits {"weight":{"new":5,"old":null}} acme`,
		`local: note cluster.set {"changed":{"budget":{"new":40,"old":"auto"}},"cluster":"main"}`,
		`local: note pool.evict null acme`,
		`local: note pool.warm null acme`,
		`local: note tenant.flush null acme`,
		`local: note server.drain null`,
	}
	if got := h.operator.called(); !slices.Equal(got, want) {
		t.Errorf("noted\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for line := range strings.Lines(h.log.String()) {
		if strings.Contains(line, "by an operator") && !strings.Contains(line, `"actor":"local"`) {
			t.Errorf("nobody did it: %s", line)
		}
	}
}

func TestWithoutAnAuditTrailPoolsAreStillEvicted(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withStats)
	if r := h.ask(t, http.MethodPost, "/v1/pools/acme/evict", ""); r.status != http.StatusOK {
		t.Errorf("status %d: %s", r.status, r.body)
	}
}
