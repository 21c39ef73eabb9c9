package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// ask sends a body to the admin handler.
func (h *harness) ask(t testing.TB, method, path, body string, headers ...string) reply {
	t.Helper()
	return send(t, h.server.AdminHandler(), method, path, strings.NewReader(body), headers...)
}

// is fails unless a refusal has the status and the code.
func (r reply) is(t testing.TB, status int, code string) {
	t.Helper()
	if r.status != status || r.header.Get("Content-Type") != "application/problem+json" || r.object(t)["code"] != code {
		t.Errorf("%d %s, want %d %s", r.status, r.body, status, code)
	}
}

func TestATenantIsShownWithWhatOnlyTheControlDatabaseKnows(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	r := h.admin(t, http.MethodGet, "/v1/tenants/hooli")
	got := r.object(t)
	if got["state"] != "suspended" || got["migrated"] != 3.0 || got["created_at"] != "1970-01-01T00:00:01Z" || r.header.Get("ETag") != `"2"` || got["version"] != 2.0 {
		t.Errorf("%v %s", r.header, r.body)
	}
	all := r.body + h.admin(t, http.MethodGet, "/v1/tenants").body + h.admin(t, http.MethodGet, "/v1/plans").body
	if strings.Contains(all, "pw-") {
		t.Errorf("secrets: %s", all)
	}
	h.admin(t, http.MethodGet, "/v1/tenants/nobody").is(t, 404, "tenant_unknown")
	h.admin(t, http.MethodGet, "/v1/tenants/No!").is(t, 400, "bad_request")
}

func TestANewTenantsLimitsAreThoseOfTheBodyAndAreShown(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	const limits = `{"max_conns":4,"queue_timeout":"2s","rate":0.5,"burst":7,"in_flight":3,"max_body":2048,"max_result":4096,"cache_for":"10s"}`
	r := h.ask(t, http.MethodPost, "/v1/tenants", `{"id":"umbrella","limits":`+limits+`}`)
	want := registry.Limits{
		MaxConns: 4, QueueTimeout: 2 * time.Second, Rate: 0.5, Burst: 7, InFlight: 3, MaxBody: 2048, MaxResult: 4096, CacheFor: 10 * time.Second,
	}
	if r.status != http.StatusCreated || h.operator.specs[0].Tenant.Limits != want {
		t.Fatalf("status %d, %+v: %s", r.status, h.operator.specs[0].Tenant.Limits, r.body)
	}
	if !strings.Contains(r.body, `"limits":`+limits) || !strings.Contains(r.body, `"own_limits":`+limits) {
		t.Errorf("shown: %s", r.body)
	}
}

func TestWhatCannotBeReadIsNamedWithWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	for _, c := range []struct{ method, path, body, want string }{
		{"PATCH", "/v1/tenants/acme", ``, "the body must be a JSON object; it may have name, plan, labels, limits"},
		{"PATCH", "/v1/tenants/acme", `[]`, "the body must be a JSON object"},
		{"PATCH", "/v1/tenants/acme", `{"name":"a"} {}`, "one JSON object and nothing else"},
		{"PATCH", "/v1/tenants/acme", `{"name":"a"`, "not JSON"},
		{"PATCH", "/v1/tenants/acme", `{"name":5}`, "name must be a text"},
		{"PATCH", "/v1/tenants/acme", `{"name":"a\u0000"}`, "name contains a NUL"},
		{"PATCH", "/v1/tenants/acme", `{"Name":"a"}`, `"Name" cannot be changed here; what can: name, plan, labels, limits`},
		{"PATCH", "/v1/tenants/acme", `{"password":"secret"}`, `"password" cannot be changed here`},
		{"PATCH", "/v1/tenants/acme", `{"name":"a","name":"b"}`, "name stands in the body twice"},
		{"PATCH", "/v1/tenants/acme", `{"labels":null}`, "labels cannot be null as a whole"},
		{"PATCH", "/v1/tenants/acme", `{"labels":{"a":1}}`, "labels.a must be a text"},
		{"PATCH", "/v1/tenants/acme", `{"labels":{"a":"1","a":"2"}}`, "labels.a stands in the body twice"},
		{"PATCH", "/v1/tenants/acme", `{"labels":{"":"1"}}`, "labels has a name that is empty"},
		{"PATCH", "/v1/tenants/acme", `{"labels":["a"]}`, "labels must be a JSON object of texts"},
		{"PATCH", "/v1/tenants/acme", `{"limits":5}`, "limits must be a JSON object; it may have max_conns"},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"bursts":5}}`, `"limits.bursts" cannot be changed here; what can: max_conns, queue`},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"rate":-1}}`, "limits.rate must be a number of requests a second from 0 to 1000000, such as 5 or 0.5"},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"rate":"5"}}`, "limits.rate must be a number"},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"rate":1e309}}`, "limits.rate must be a number"},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"burst":0.5}}`, "limits.burst must be a whole number from 0 to 1000000"},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"in_flight":-1}}`, "limits.in_flight must be a whole number from 0 to 1000000"},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"max_body":1023}}`, "limits.max_body must be a whole number of bytes from 1024 to 1073741824"},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"max_result":1073741825}}`, "limits.max_result must be a whole number of bytes"},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"max_result":"1MiB"}}`, "limits.max_result must be a whole number of bytes"},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"queue_timeout":2}}`, "limits.queue_timeout must be a text such as"},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"cache_for":"61m"}}`, "limits.cache_for must be 1h0m0s at most"},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"max_conns":-1}}`, "limits.max_conns must be a whole number from 0 to 10000"},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"max_conns":10001}}`, "limits.max_conns must be"},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"max_conns":1.5}}`, "limits.max_conns must be"},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"max_conns":"5"}}`, "limits.max_conns must be"},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"weight":0}}`, "limits.weight must be a whole number from 1 to 1000"},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"idle_after":30}}`, `limits.idle_after must be a text such as`},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"idle_after":"30"}}`, `limits.idle_after must be a text such as`},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"idle_after":"-1s"}}`, `limits.idle_after must be from 1ms to 576h0m0s`},
		{"PATCH", "/v1/tenants/acme", `{"limits":{"idle_after":"577h"}}`, `limits.idle_after must be from`},
		{"POST", "/v1/tenants", ``, "the body must be a JSON object; it may have id, name"},
		{"POST", "/v1/tenants", `{}`, "id is missing"},
		{"POST", "/v1/tenants", `{"id":null}`, "id is missing"},
		{"POST", "/v1/tenants", `{"id":"Not An Id"}`, "id is no tenant id"},
		{"POST", "/v1/tenants", `{"id":"a","version":1}`, `"version" cannot be given here; what can: id, name`},
		{"POST", "/v1/tenants", `{"id":"a","isolation":"none"}`, "isolation must be schema, database or row"},
		{"POST", "/v1/tenants", `{"id":"a","ddl":"yes"}`, "ddl must be true or false"},
		{"POST", "/v1/tenants", `{"id":"a","password":"env:HOME"}`, "password must be the text itself"},
		{"POST", "/v1/tenants", `{"id":"a","dsn":"file:/etc/passwd"}`, "dsn must be the text itself"},
		{"POST", "/v1/tenants", `{"id":"a","password":"[secret]"}`, "password is [secret]"},
		{"POST", "/v1/tenants", `{"id":"a"} x`, "one JSON object and nothing else"},
		{"POST", "/v1/tenants/acme/clone", `{"data":true}`, "id is missing"},
		{"POST", "/v1/tenants/acme/clone", `{"id":"a","rows":true}`, `"rows" cannot be given here`},
		{"POST", "/v1/tenants/acme/suspend", `{"why":"x"}`, `"why" cannot be given here; what can: reason`},
		{"POST", "/v1/tenants/acme/suspend", `null`, "must be a JSON object"},
		{"POST", "/v1/tenants/acme/resume", `{"reason":"x"}`, `"reason" cannot be given here`},
		{"POST", "/v1/tenants/acme/rotate", `{"password":"x"}`, `"password" cannot be given here`},
		{"POST", "/v1/tenants/acme/retire", `{"export":1}`, "export must be true or false"},
		{"POST", "/v1/migrations", `{"direction":"sideways"}`, "direction must be up or down"},
		{"POST", "/v1/migrations", `{"tenants":"acme"}`, "tenants must be a list of tenant ids"},
		{"POST", "/v1/migrations", `{"tenants":["acme","X"]}`, "tenants [1] is no tenant id"},
		{"POST", "/v1/migrations", `{"workers":1001}`, "workers must be a whole number from 0 to 1000"},
		{"POST", "/v1/apply?dry_run=maybe", ``, "dry_run must be true or false"},
		{"POST", "/v1/apply?file=a%00b", ``, "file must be the name of a file"},
		{"DELETE", "/v1/tenants/acme?confirm=acme&export=no", ``, "export must be true or false"},
		{"DELETE", "/v1/tenants/acme?confirm=acme&forget=no", ``, "forget must be true or false"},
		{"GET", "/v1/tenants?status=gone", ``, "status must be pending"},
		{"GET", "/v1/tenants?label=x", ``, "label must be NAME=VALUE"},
		{"GET", "/v1/tenants?prefix=%00", ``, "plan, cluster, prefix and label must be UTF-8 without a NUL"},
		{"GET", "/v1/tenants?prefix=%ff", ``, "plan, cluster, prefix and label must be UTF-8 without a NUL"},
		{"GET", "/v1/tenants?plan=%ff", ``, "must be UTF-8"},
		{"GET", "/v1/tenants?cluster=%ff", ``, "must be UTF-8"},
		{"GET", "/v1/tenants?label=a%3D%ff", ``, "must be UTF-8"},
		{"GET", "/v1/tenants?behind=1", ``, "behind must be true or false"},
		{"GET", "/v1/tenants?failed=1", ``, "failed must be true or false"},
		{"GET", "/v1/migrations?verify=1", ``, "verify must be true or false"},
		{"GET", "/v1/operations?state=odd", ``, "state must be running"},
		{"GET", "/v1/operations?tenant=X", ``, "tenant: "},
		{"GET", "/v1/operations?before=%00", ``, "before must be the id of an operation"},
		{"GET", "/v1/audit?before=0", ``, "before must be the id of an event"},
		{"GET", "/v1/audit?limit=0", ``, "limit must be a number"},
	} {
		r := h.ask(t, c.method, c.path, c.body)
		if r.is(t, 400, "bad_request"); !strings.Contains(r.object(t)["detail"].(string), c.want) {
			t.Errorf("%s %s %s: %s, want %q", c.method, c.path, c.body, r.body, c.want)
		}
	}
	if got := h.operator.called(); len(got) != 0 {
		t.Errorf("refused requests did %v", got)
	}
}

func TestABodyThatIsTooLargeIsNotRead(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	large := `{"name":"` + strings.Repeat("x", 64<<10) + `"}`
	for _, route := range []string{"PATCH /v1/tenants/acme", "POST /v1/tenants", "POST /v1/tenants/acme/suspend"} {
		method, path, _ := strings.Cut(route, " ")
		h.ask(t, method, path, large).is(t, 413, "body_too_large")
	}
}

func TestANewTenantIsWhatTheBodySays(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	r := h.ask(t, http.MethodPost, "/v1/tenants", `{"id":"umbrella","name":"Umbrella","plan":"pro","cluster":"second","isolation":"database","database":"umb","login":"u",
		"password":"pw-hidden","ddl":false,"limits":{"max_conns":7,"statement_timeout":"5s"},"labels":{"tier":"gold","none":null},"schema":null}`)
	if r.status != http.StatusCreated || r.header.Get("Location") != "/v1/tenants/umbrella" || r.header.Get("ETag") == "" || r.object(t)["status"] != "active" || strings.Contains(r.body, "hidden") {
		t.Fatalf("status %d %v: %s", r.status, r.header, r.body)
	}
	s := h.operator.specs[0]
	want := registry.Tenant{
		ID: registry.MustParseID("umbrella"), Name: "Umbrella", Plan: "pro", Cluster: "second", Isolation: registry.IsolationDatabase, Database: "umb", Login: "u",
		Password: registry.NewSecret("pw-hidden"), Limits: registry.Limits{MaxConns: 7, StatementTimeout: 5 * time.Second}, Labels: map[string]string{"tier": "gold"},
	}
	if fmt.Sprintf("%+v", s.Tenant) != fmt.Sprintf("%+v", want) || s.Tenant.Password != want.Password || s.DDL == nil || *s.DDL {
		t.Errorf("asked for %+v", s)
	}
	h.ask(t, http.MethodPost, "/v1/tenants", `{"id":"umbrella"}`).is(t, 409, "tenant_exists")
	if h.operator.specs[1].DDL != nil {
		t.Error("ddl was not given and is")
	}
}

func TestACloneIsMadeWithItsRowsUnlessToldNotTo(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	if r := h.ask(t, http.MethodPost, "/v1/tenants/acme/clone", `{"id":"copy"}`); r.status != http.StatusCreated || r.object(t)["id"] != "copy" {
		t.Errorf("status %d: %s", r.status, r.body)
	}
	h.ask(t, http.MethodPost, "/v1/tenants/acme/clone", `{"id":"hull","data":false}`)
	h.ask(t, http.MethodPost, "/v1/tenants/nobody/clone", `{"id":"ghost"}`).is(t, 404, "tenant_unknown")
	got := fmt.Sprint(h.operator.called())
	if want := "[local: clone data=true acme local: add copy local: clone data=false acme local: add hull local: clone data=true nobody]"; got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
}

func TestDeletingNeedsTheIDAgain(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	for _, query := range []string{"", "?confirm=", "?confirm=hooli", "?confirm=ACME"} {
		h.admin(t, http.MethodDelete, "/v1/tenants/acme"+query).is(t, 400, "confirm")
	}
	r := h.admin(t, http.MethodDelete, "/v1/tenants/acme?confirm=acme&export=false")
	if r.status != http.StatusOK || r.object(t)["kind"] != "delete" || r.object(t)["state"] != "done" {
		t.Errorf("status %d: %s", r.status, r.body)
	}
	h.admin(t, http.MethodDelete, "/v1/tenants/acme?confirm=acme")
	h.admin(t, http.MethodDelete, "/v1/tenants/acme?forget=true").is(t, 400, "confirm")
	h.admin(t, http.MethodDelete, "/v1/tenants/acme?confirm=acme&forget=true")
	if got := fmt.Sprint(h.operator.called()); got != "[local: delete export=false acme local: delete export=true acme local: delete forget acme]" {
		t.Errorf("asked for %s", got)
	}
}
