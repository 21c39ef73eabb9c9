package server_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

func withSlowOperator(h *harness) {
	h.operator = newFakeOperator()
	h.operator.release = make(chan struct{})
}

func TestARequestWaitsForItsOperationAsLongAsItSays(t *testing.T) {
	t.Parallel()
	for prefer, want := range map[string]struct {
		waits   time.Duration
		applied string
	}{
		"":                      {30 * time.Second, ""},
		"wait=0":                {0, "wait=0"},
		"wait=5":                {5 * time.Second, "wait=5"},
		"Wait = 5":              {5 * time.Second, "wait=5"},
		`return=minimal,wait=7`: {7 * time.Second, "wait=7"},
		"wait=301":              {300 * time.Second, "wait=300"},
		"respond-async, wait=9": {0, "respond-async"},
		"wait=-1":               {30 * time.Second, ""},
		"wait=soon":             {30 * time.Second, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHarness(t, withSlowOperator)
			var headers []string
			if prefer != "" {
				headers = []string{"Prefer", prefer}
			}
			began := time.Now()
			r := h.ask(t, http.MethodPost, "/v1/tenants/acme/rotate", "", headers...)
			if took := time.Since(began); took != want.waits || r.status != http.StatusAccepted {
				t.Errorf("%q: status %d after %s, want 202 after %s", prefer, r.status, took, want.waits)
			}
			id := r.object(t)["id"].(string)
			if r.header.Get("Location") != "/v1/operations/"+id || r.header.Get("X-Operation-Id") != id || r.header.Get("Preference-Applied") != want.applied || r.object(t)["state"] != "running" {
				t.Errorf("%q: %v %s", prefer, r.header, r.body)
			}
			close(h.operator.release)
			synctest.Wait()
			if r := h.admin(t, http.MethodGet, "/v1/operations/"+id); r.object(t)["state"] != "done" {
				t.Errorf("the operation ended with its request: %s", r.body)
			}
		})
	}
}

func TestAnOperationThatEndsInTimeAnswersWithWhatItBrought(t *testing.T) {
	t.Parallel()
	for route, want := range map[string]struct {
		status int
		member string
		value  any
	}{
		"POST /v1/tenants":                     {201, "id", "new"},
		"POST /v1/tenants/acme/clone":          {201, "id", "new"},
		"POST /v1/tenants/acme/provision":      {200, "id", "acme"},
		"POST /v1/tenants/acme/rotate":         {200, "id", "acme"},
		"POST /v1/tenants/acme/retire":         {200, "status", "retired"},
		"POST /v1/tenants/acme/export":         {200, "file", "acme.dump"},
		"DELETE /v1/tenants/acme?confirm=acme": {200, "kind", "delete"},
		"POST /v1/apply":                       {200, "kind", "apply"},
		"POST /v1/migrations":                  {200, "kind", "migrate"},
		"POST /v1/keys/reseal":                 {200, "kind", "reseal"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHarness(t, withSlowOperator)
			method, path, _ := strings.Cut(route, " ")
			body := ""
			if want.status == 201 {
				body = `{"id":"new"}`
			}
			time.AfterFunc(29*time.Second, func() { close(h.operator.release) })
			r := h.ask(t, method, path, body)
			if r.status != want.status || r.object(t)[want.member] != want.value || r.header.Get("X-Operation-Id") != "op-0001" {
				t.Errorf("%s: status %d %v: %s", route, r.status, r.header, r.body)
			}
		})
	}
}

func TestAnOperationThatFailsInTimeAnswersWithItsProblem(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]int{
		"busy": 409, "name_taken": 409, "state": 409, "declared": 409, "tenant_exists": 409, "cancelled": 409, "stale": 412, "tenant_unknown": 404, "unsupported": 501,
		"interrupted": 503, "held_up": 503, "privilege": 422, "cluster": 422, "bad_request": 422, "migration_failed": 422, "migrations_failed": 422, "operation_failed": 500, "": 500, "new_one": 500,
	} {
		h := newHarness(t, withOperator)
		h.operator.failed = &control.Operation{State: control.Failed, Code: code, Error: "it went \xff wrong"}
		r := h.ask(t, http.MethodPost, "/v1/tenants", `{"id":"new"}`)
		wantCode := code
		if code == "" {
			wantCode = "operation_failed"
		}
		r.is(t, want, wantCode)
		got := r.object(t)
		if got["operation"].(map[string]any)["id"] != "op-0001" || !strings.HasPrefix(got["detail"].(string), "it went") || got["request_id"] == "" {
			t.Errorf("%s: %s", code, r.body)
		}
		if (r.header.Get("Retry-After") != "") != (code == "busy") {
			t.Errorf("%s: Retry-After %q", code, r.header.Get("Retry-After"))
		}
	}
}

func TestAFleetThatFailedInPartIsAResult(t *testing.T) {
	t.Parallel()
	for path, code := range map[string]string{"/v1/migrations": "migrations_failed", "/v1/apply": "partly_failed"} {
		h := newHarness(t, withOperator)
		h.operator.failed = &control.Operation{State: control.Failed, Code: code, Error: "for 1 of 3", Failures: []control.Failure{{Tenant: registry.MustParseID("acme"), Error: "no"}}}
		r := h.ask(t, http.MethodPost, path, "")
		got := r.object(t)
		if r.status != http.StatusOK || got["state"] != "failed" || got["code"] != code || len(got["failures"].([]any)) != 1 {
			t.Errorf("%s: status %d: %s", path, r.status, r.body)
		}
		h.operator.failed = &control.Operation{State: control.Interrupted, Code: "interrupted", Error: "the process stopped"}
		h.ask(t, http.MethodPost, path, "").is(t, 503, "interrupted")
	}
}

func TestOperationsAreListedShownAndCancelled(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withSlowOperator)
	for _, id := range []string{"acme", "hooli", "acme"} {
		h.ask(t, http.MethodPost, "/v1/tenants/"+id+"/rotate", "", "Prefer", "respond-async")
	}
	for query, want := range map[string]string{
		"": "op-0003 op-0002 op-0001", "limit=2": "op-0003 op-0002 next op-0002", "limit=2&before=op-0002": "op-0001", "limit=3": "op-0003 op-0002 op-0001",
		"tenant=hooli": "op-0002", "state=running": "op-0003 op-0002 op-0001", "state=done": "",
	} {
		page := h.admin(t, http.MethodGet, "/v1/operations?"+query).object(t)
		var got []string
		for _, op := range page["operations"].([]any) {
			got = append(got, op.(map[string]any)["id"].(string))
		}
		if next, more := page["next"]; more {
			got = append(got, "next", next.(string))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
	}
	if r := h.admin(t, http.MethodDelete, "/v1/operations/op-0002"); r.status != http.StatusOK || r.object(t)["code"] != "cancelled" {
		t.Errorf("status %d: %s", r.status, r.body)
	}
	h.admin(t, http.MethodDelete, "/v1/operations/op-0002").is(t, 409, "state")
	for _, path := range []string{"op-9", "%00", "a%20b", strings.Repeat("x", 1000)} {
		for _, r := range []reply{
			h.admin(t, http.MethodGet, "/v1/operations/"+path), h.admin(t, http.MethodDelete, "/v1/operations/"+path), h.admin(t, http.MethodGet, "/v1/operations/"+path+"/events"),
		} {
			r.is(t, 404, "operation_unknown")
		}
	}
}

func TestAListSaysHowManyFailuresAnOperationHas(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	failure := control.Failure{Tenant: registry.MustParseID("acme"), Error: "no"}
	h.operator.failed = &control.Operation{State: control.Failed, Code: "partly_failed", Failures: []control.Failure{failure, failure, failure}}
	h.ask(t, http.MethodPost, "/v1/tenants/acme/rotate", "")
	for path, listed := range map[string]int{"/v1/operations": 1, "/v1/operations/op-0001": 3} {
		body := h.ask(t, http.MethodGet, path, "").body
		if !strings.Contains(body, `"failed":3,`) || strings.Count(body, `"error":"no"`) != listed {
			t.Errorf("%s: %s", path, body)
		}
	}
}
