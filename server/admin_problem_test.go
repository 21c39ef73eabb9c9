package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/server"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// refusedLogin is what a connection gets whose login was locked out, as the
// driver wraps it.
type refusedLogin struct{}

func (refusedLogin) Error() string { return "hidden words" }

func (refusedLogin) Unwrap() []error {
	return []error{&pgconn.ConnectError{}, &pgconn.PgError{Severity: "FATAL", Code: "28000", Message: "hidden words"}}
}

func TestEveryErrorOfAnOperatorHasItsStatusAndCode(t *testing.T) {
	t.Parallel()
	problems := registry.Problems{{Field: "tenants.a.schema", Message: "is public"}}
	for _, c := range []struct {
		err    error
		status int
		code   string
		says   string
	}{
		{fmt.Errorf("%w: acme is declared; edit it there", lifecycle.ErrDeclared), 409, "declared", "acme is declared; edit it there"},
		{fmt.Errorf("%w: acme is pending", lifecycle.ErrState), 409, "state", "acme is pending"},
		{fmt.Errorf("%w: operation 7 has ended", lifecycle.ErrCancel), 409, "state", "operation 7 has ended"},
		{fmt.Errorf("%w: plan: none", lifecycle.ErrInput), 400, "bad_request", "plan: none"},
		{fmt.Errorf("%w: no pg_dump", lifecycle.ErrUnsupported), 501, "unsupported", "no pg_dump"},
		{lifecycle.ErrClosed, 503, "not_ready", ""},
		{fmt.Errorf("%w: hidden words", control.ErrHeldUp), 503, "held_up", "pg_locks"},
		{control.ErrExists, 409, "tenant_exists", ""},
		{fmt.Errorf("%w: schema a", control.ErrTaken), 409, "name_taken", "schema a"},
		{control.ErrStale, 412, "stale", "Read it again"},
		{fmt.Errorf("x: %w", control.ErrUnknown), 404, "tenant_unknown", ""},
		{control.ErrNoSuch, 404, "operation_unknown", ""},
		{&control.BusyError{What: "migrate", Holder: "host:1"}, 409, "busy", "migrate"},
		{fmt.Errorf("%w: role x", onboard.ErrConflict), 409, "name_taken", "role x"},
		{problems, 400, "bad_request", "tenants.a.schema: is public"},
		{registry.ErrUnavailable, 503, "registry_unavailable", ""},
		{fmt.Errorf("x: %w", &pgconn.PgError{Severity: "FATAL", Code: "57P01", Message: "hidden words"}), 503, "registry_unavailable", ""},
		{fmt.Errorf("x: %w", &net.OpError{Op: "dial", Err: errors.New("hidden words")}), 503, "registry_unavailable", ""},
		{fmt.Errorf("x: %w", refusedLogin{}), 503, "registry_unavailable", ""},
		{context.DeadlineExceeded, 503, "registry_unavailable", ""},
		{fmt.Errorf("x: %w", io.ErrUnexpectedEOF), 503, "registry_unavailable", ""},
		{fmt.Errorf("%w: hidden words: %w", control.ErrLost, context.Canceled), 503, "interrupted", "Ask for the same again"},
		{fmt.Errorf("x: %w", &pgconn.PgError{Severity: "ERROR", Code: "42P01", Message: "hidden words"}), 500, "internal", ""},
		{&fs.PathError{Op: "mkdir", Path: "hidden", Err: syscall.EACCES}, 500, "internal", ""},
		{errors.New("hidden words"), 500, "internal", ""},
	} {
		h := newHarness(t, withOperator)
		h.operator.err = c.err
		for _, route := range []string{
			"PATCH /v1/tenants/acme", "POST /v1/tenants/acme/suspend", "POST /v1/tenants/acme/rotate", "POST /v1/migrations", "GET /v1/migrations",
			"GET /v1/tenants/acme", "GET /v1/tenants", "GET /v1/audit", "GET /v1/operations", "POST /v1/keys/reseal",
		} {
			method, path, _ := strings.Cut(route, " ")
			r := h.ask(t, method, path, "{}")
			got := r.object(t)
			if detail, _ := got["detail"].(string); r.status != c.status || got["code"] != c.code || !strings.Contains(detail, c.says) {
				t.Errorf("%v, %s: status %d: %s, want %d %s", c.err, route, r.status, r.body, c.status, c.code)
			}
			if strings.Contains(r.body, "hidden") {
				t.Errorf("%v: %s", c.err, r.body)
			}
			if c.code == "busy" && r.header.Get("Retry-After") == "" {
				t.Errorf("busy without Retry-After")
			}
		}
	}
}

func TestWithoutAControlDatabaseTenantsAreReadAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, route := range h.server.AdminRoutes() {
		method, path, _ := strings.Cut(route, " ")
		if !strings.HasPrefix(path, "/v1/") || strings.Contains(path, "clusters") || strings.Contains(path, "pools") || path == "/v1/drain" || strings.HasSuffix(path, "/flush") {
			continue
		}
		r := h.ask(t, method, strings.NewReplacer(":id", "acme", ":file", "acme.dump", ":key", firstKey).Replace(path), "{}")
		switch route {
		case "GET /v1/tenants", "GET /v1/tenants/:id", "GET /v1/openapi.json":
			if r.status != http.StatusOK {
				t.Errorf("%s: status %d", route, r.status)
			}
		case "POST /v1/doctor":
			r.is(t, 501, "unsupported")
		default:
			remedy := "edit the file and save it"
			if strings.Contains(path, "api-keys") || strings.HasSuffix(path, "/reader") {
				remedy = "set control.dsn and control.keyset"
			}
			if r.is(t, 409, "no_control"); !strings.Contains(r.body, remedy) {
				t.Errorf("%s: %s", route, r.body)
			}
		}
	}
	for _, query := range []string{"behind=true", "failed=true"} {
		h.admin(t, http.MethodGet, "/v1/tenants?"+query).is(t, 409, "no_control")
	}
}

func TestTheTrailIsPagedBackwards(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	for i := range 5 {
		h.operator.events = append(h.operator.events, control.Event{ID: int64(i + 1), Actor: "alice", Action: "tenant.set", Tenant: registry.MustParseID("acme"), Detail: []byte(`{"name":"x"}`)})
	}
	for query, want := range map[string]string{"limit=2": "5 4 next 4", "limit=2&before=4": "3 2 next 2", "before=2": "1", "tenant=hooli": "", "tenant=acme&limit=5": "5 4 3 2 1"} {
		page := h.admin(t, http.MethodGet, "/v1/audit?"+query).object(t)
		var got []string
		for _, e := range page["events"].([]any) {
			got = append(got, fmt.Sprint(e.(map[string]any)["id"]))
		}
		if next, more := page["next"]; more {
			got = append(got, "next", fmt.Sprint(next))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
	}
}

func TestAnExportIsReadWholeOrInParts(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret")
	for name, text := range map[string]string{filepath.Join(folder, "acme-1.dump"): "0123456789", filepath.Join(folder, ".export-1"): "half", outside: "secret"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink(outside, filepath.Join(folder, "link.dump")), os.Mkdir(filepath.Join(folder, "dir"), 0o700)); err != nil {
		t.Fatal(err)
	}
	h := newHarness(t, withOperator, func(h *harness) { h.operator.folder = folder })
	if r := h.admin(t, http.MethodGet, "/v1/exports/acme-1.dump"); r.status != 200 || r.body != "0123456789" || r.header.Get("Content-Disposition") != `attachment; filename="acme-1.dump"` {
		t.Errorf("status %d %v: %s", r.status, r.header, r.body)
	}
	if r := h.admin(t, http.MethodGet, "/v1/exports/acme-1.dump", "Range", "bytes=2-4"); r.status != 206 || r.body != "234" || r.header.Get("Content-Range") != "bytes 2-4/10" {
		t.Errorf("status %d %v: %s", r.status, r.header, r.body)
	}
	if r := h.admin(t, http.MethodGet, "/v1/exports/acme-1.dump", "Range", "bytes=20-"); r.status != 416 {
		t.Errorf("beyond its end: status %d", r.status)
	}
	for _, name := range []string{"nothing.dump", ".export-1", "..", "link.dump", "dir", "a%5cb", "%00", "a:b", strings.Repeat("x", 300)} {
		h.admin(t, http.MethodGet, "/v1/exports/"+name).is(t, 404, "export_unknown")
	}
	for _, name := range []string{"..%2f..%2fetc%2fpasswd", "dir/x", "%2fetc%2fpasswd"} {
		if r := h.admin(t, http.MethodGet, "/v1/exports/"+name); r.status != 404 {
			t.Errorf("%s: status %d", name, r.status)
		}
	}
	h.operator.folder = filepath.Join(folder, "missing")
	h.admin(t, http.MethodGet, "/v1/exports/acme-1.dump").is(t, 404, "export_unknown")
	h.operator.folder = ""
	h.admin(t, http.MethodGet, "/v1/exports/acme-1.dump").is(t, 501, "unsupported")
}

func TestTheDoctorIsAsked(t *testing.T) {
	t.Parallel()
	report := adminwire.DoctorReport{}
	var failed error
	h := newHarness(t, func(h *harness) {
		h.doctor = func(context.Context) (adminwire.DoctorReport, error) { return report, failed }
	})
	if r := h.admin(t, http.MethodPost, "/v1/doctor"); r.body != `{"findings":[],"checked":[]}` {
		t.Errorf("status %d: %s", r.status, r.body)
	}
	report = adminwire.DoctorReport{Checked: []string{"budget"}, Findings: []adminwire.Finding{{Check: "budget", Severity: "error", Subject: "cluster main", Message: "m", Remedy: "r"}}}
	if r := h.admin(t, http.MethodPost, "/v1/doctor"); len(r.object(t)["findings"].([]any)) != 1 {
		t.Errorf("status %d: %s", r.status, r.body)
	}
	failed = errors.New("hidden words")
	if r := h.admin(t, http.MethodPost, "/v1/doctor"); r.status != 500 || strings.Contains(r.body, "hidden") {
		t.Errorf("status %d: %s", r.status, r.body)
	}
}

func TestAPoolIsWarmed(t *testing.T) {
	t.Parallel()
	var warmed []string
	answers := map[string]error{"acme+read": registry.ErrNoReader, "nobody": registry.ErrUnknown, "hooli": registry.ErrInactive, "shared": pools.ErrBudget}
	h := newHarness(t, withStats, func(h *harness) {
		h.warm = func(_ context.Context, id registry.ID) error {
			warmed = append(warmed, id.String())
			return answers[id.String()]
		}
	})
	if r := h.admin(t, http.MethodPost, "/v1/pools/acme/warm"); r.status != 200 || len(r.object(t)["pools"].([]any)) != 2 {
		t.Errorf("status %d: %s", r.status, r.body)
	}
	h.admin(t, http.MethodPost, "/v1/pools/nobody/warm").is(t, 404, "tenant_unknown")
	h.admin(t, http.MethodPost, "/v1/pools/hooli/warm").is(t, 409, "state")
	h.admin(t, http.MethodPost, "/v1/pools/shared/warm").is(t, 503, "capacity")
	h.admin(t, http.MethodPost, "/v1/pools/X/warm").is(t, 400, "bad_request")
	if fmt.Sprint(warmed) != "[acme acme+read nobody hooli shared]" {
		t.Errorf("warmed %v", warmed)
	}
	newHarness(t).admin(t, http.MethodPost, "/v1/pools/acme/warm").is(t, 501, "unsupported")
}

func TestTheAPIWithoutAServerRefusesWhatNeedsOne(t *testing.T) {
	t.Parallel()
	operator := newFakeOperator()
	t.Cleanup(operator.end)
	handler, err := server.NewAdmin(server.Defaults(), server.AdminDeps{Operator: operator, Actor: "direct:root", Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range []string{"GET /v1/pools", "GET /v1/pools/acme", "PATCH /v1/pools/acme", "POST /v1/pools/acme/warm", "POST /v1/pools/acme/evict", "GET /v1/clusters", "PATCH /v1/clusters/main", "POST /v1/drain", "POST /v1/tenants/acme/flush"} {
		method, path, _ := strings.Cut(route, " ")
		send(t, handler, method, path, strings.NewReader("{}")).is(t, 409, "no_server")
	}
	r := sendFrom(t, "@", handler, http.MethodPost, "/v1/tenants/acme/suspend", strings.NewReader(""), "Host", "")
	if r.status != 200 || fmt.Sprint(operator.called()) != "[direct:root: suspend acme]" {
		t.Errorf("status %d: %s; did %v", r.status, r.body, operator.called())
	}
	for _, deps := range []server.AdminDeps{{}, {Registry: demoRecords()}} {
		if handler, err = server.NewAdmin(server.Defaults(), deps); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/v1/tenants", "/v1/tenants/acme"} {
			if r := send(t, handler, http.MethodGet, path, nil); (r.status == 200) != (deps.Registry != nil) {
				t.Errorf("%s: status %d: %s", path, r.status, r.body)
			}
		}
	}
	if _, err := server.NewAdmin(server.Config{}, server.AdminDeps{}); err == nil {
		t.Error("a configuration that is empty is taken")
	}
}
