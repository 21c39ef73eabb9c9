package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server"
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestASaneRequestIDIsKeptAndAnyOtherReplaced(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, given := range []string{"abc", "req-1.2_3:4/5+6=7@8~9", strings.Repeat("a", 128)} {
		if got := h.get(t, "/livez", "X-Request-Id", given).header.Get("X-Request-Id"); got != given {
			t.Errorf("%q became %q", given, got)
		}
	}
	for _, given := range []string{"", " ", "a b", "a\"b", "a\nb", "ü", "a;b", "<x>", strings.Repeat("a", 129)} {
		if got := h.get(t, "/livez", "X-Request-Id", given).header.Get("X-Request-Id"); !uuid.MatchString(got) {
			t.Errorf("%q became %q, want a UUID", given, got)
		}
	}
	if a, b := h.get(t, "/livez"), h.get(t, "/livez"); a.header.Get("X-Request-Id") == b.header.Get("X-Request-Id") {
		t.Error("two requests have one id")
	}
}

func TestATraceIsContinued(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	const traceID, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for _, header := range []string{"00-" + traceID + "-" + parent + "-01", "cc-" + traceID + "-" + parent + "-01-what-the-future-brings"} {
		got := h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "acme", "Traceparent", header).header.Get("Traceparent")
		if !regexp.MustCompile(`^00-`+traceID+`-[0-9a-f]{16}-01$`).MatchString(got) || strings.Contains(got, parent) {
			t.Errorf("%s was answered with %q", header, got)
		}
	}
	if !strings.Contains(h.log.String(), `"trace_id":"`+traceID+`"`) {
		t.Errorf("the log lacks the trace: %s", h.log)
	}
	for _, header := range []string{
		"", "00", "00-" + traceID, "00-" + traceID + "-" + parent, "ff-" + traceID + "-" + parent + "-01",
		"00-" + strings.Repeat("0", 32) + "-" + parent + "-01", "00-" + traceID + "-" + strings.Repeat("0", 16) + "-01",
		"00-" + strings.ToUpper(traceID) + "-" + parent + "-01", "00-" + traceID + "-" + parent + "-01-more", "0x-" + traceID + "-" + parent + "-01",
		strings.Repeat("-", 10000),
	} {
		r := h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "acme", "Traceparent", header)
		if got := r.header.Get("Traceparent"); r.status != http.StatusOK || got != "" {
			t.Errorf("%.80q: status %d, answered with %q", header, r.status, got)
		}
	}
}

func TestEveryRequestHasItsLineInTheLog(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.post(t, "/sql", `{"query":"rows 3"}`, "X-Tenant-ID", "acme", "X-Request-Id", "id-1")
	line := lastLine(t, h)
	for key, want := range map[string]any{
		"msg": "request", "level": "INFO", "request_id": "id-1", "method": "POST", "route": "/sql", "status": 200.0, "tenant": "acme", "rows": 3.0,
	} {
		if line[key] != want {
			t.Errorf("%s is %v, want %v", key, line[key], want)
		}
	}
	if took, ok := line["duration"].(float64); !ok || took <= 0 {
		t.Errorf("duration is %v", line["duration"])
	}
}

func lastLine(t *testing.T, h *harness) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(h.log.String()), "\n")
	var line map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &line); err != nil {
		t.Fatal(err)
	}
	return line
}

func TestTheLogTellsRefusalsApartThatLookTheSameOutside(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	seen := map[any]string{}
	for _, id := range []string{"nobody", "hooli", "not/a/tenant"} {
		h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", id)
		line := lastLine(t, h)
		if other, twice := seen[line["error"]]; twice || line["error"] == nil || line["code"] != "tenant_refused" {
			t.Errorf("%s has the line of %s: %v", id, other, line)
		}
		seen[line["error"]] = id
	}
}

func TestTheLogLevelSaysWhoHasToAct(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"/livez": "DEBUG", "/readyz": "DEBUG", "/nowhere": "INFO"} {
		h := newHarness(t)
		h.get(t, path)
		if got := lastLine(t, h)["level"]; got != want {
			t.Errorf("%s is logged as %v, want %s", path, got, want)
		}
	}
	for want, setup := range map[string]func(*harness){
		"WARN": acquireError(context.DeadlineExceeded), "ERROR": acquireError(errors.New("surprise")),
	} {
		h := newHarness(t, setup)
		h.post(t, "/sql", `{"query":"one"}`, "X-Tenant-ID", "acme")
		if got := lastLine(t, h)["level"]; got != want {
			t.Errorf("logged as %v, want %s", got, want)
		}
	}
}

func TestNoSecretAndNothingOfTheStatementIsLogged(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	const secret = "s3cret"
	connections := []string{
		neon, "postgresql://" + secret + ":" + secret + "@acme.example.com/db", "postgresql://%zz:" + secret + "@x/db",
		"postgres://u:" + secret, secret, "postgresql://u:" + secret + "@nobody.example.com/db?options=" + secret,
	}
	bodies := []string{
		`{"query":"one ` + secret + `","params":["` + secret + `"]}`, `{"query":"echo","params":["` + secret + `"]}`, `{"query":"` + secret,
		`{"query":"raise ERROR 22P02 ` + secret + `"}`, `{"query":"raise FATAL 57P01 ` + secret + `"}`, `{"` + secret + `":1}`, `{"query":"copy ` + secret + ` to stdout"}`,
	}
	for _, connection := range connections {
		for _, body := range bodies {
			for _, path := range []string{"/sql", "/t/acme/sql"} {
				h.post(t, path, body, "Neon-Connection-String", connection, "Authorization", "Bearer "+secret, "X-Request-Timeout", "x"+secret)
				h.post(t, path, body, "Neon-Connection-String", connection, "Authorization", "Bearer "+secret, "Cookie", secret)
				h.post(t, path, body, "X-Tenant-ID", secret+"/", "Authorization", secret)
			}
		}
	}
	for line := range strings.Lines(h.log.String()) {
		if strings.Contains(line, secret) {
			t.Errorf("logged: %s", line)
		}
		if strings.Contains(line, "parameter-in-detail") {
			t.Errorf("logged PostgreSQL's detail: %s", line)
		}
	}
}

func TestLabelsAreFewWhateverClientsSend(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, path := range []string{"/", "/sqll", "/sql/", "/SQL", "/t/", "/t/a/b/sql", "/%2e%2e/sql", "/" + strings.Repeat("x", 10000)} {
		r := h.post(t, path, "")
		if got := h.observed.last(); got != (observation{"unmatched", "POST", 404}) || r.status != http.StatusNotFound {
			t.Errorf("%.40s: status %d, observed %+v", path, r.status, got)
		}
	}
	for _, method := range []string{"BREW", "PROPFIND", "TRACE", "CONNECT"} {
		send(t, h.server.Handler(), method, "/sql", nil)
		if got := h.observed.last().method; got != "other" {
			t.Errorf("%s is observed as %s", method, got)
		}
	}
	h.post(t, "/t/"+strings.Repeat("x", 1000)+"/sql", "{}")
	if got := h.observed.last().route; got != "/t/:tenant/sql" {
		t.Errorf("observed %s", got)
	}
}

func TestWhatIsNotThereIsAProblemToo(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	if r := h.get(t, "/nowhere"); r.status != http.StatusNotFound || r.object(t)["code"] != "not_found" {
		t.Errorf("status %d: %s", r.status, r.body)
	}
	r := h.get(t, "/sql")
	if r.status != http.StatusMethodNotAllowed || r.object(t)["code"] != "method_not_allowed" || !strings.Contains(r.header.Get("Allow"), "POST") {
		t.Errorf("status %d, Allow %q: %s", r.status, r.header.Get("Allow"), r.body)
	}
	r = h.get(t, "/nowhere", "Neon-Connection-String", neon)
	if r.status != http.StatusNotFound {
		t.Errorf("status %d", r.status)
	}
	wantNeonBody(t, r)
	if r := send(t, h.server.Handler(), http.MethodHead, "/nowhere", nil); r.status != http.StatusNotFound || r.body != "" {
		t.Errorf("HEAD: status %d, body %q", r.status, r.body)
	}
}

func TestAPanicIs500WithItsStackInTheLogAndNothingOfTheRequest(t *testing.T) {
	t.Parallel()
	for _, headers := range [][]string{{"X-Tenant-ID", "acme"}, {"Neon-Connection-String", neon}} {
		h := newHarness(t)
		h.server.SetAcquire(func(context.Context, *router.Visit) (server.Session, error) { panic("the keeper is broken") })
		r := h.post(t, "/sql", `{"query":"hidden statement"}`, append(headers, "Authorization", "Bearer hidden", "X-Request-Id", "id-1")...)
		if r.status != http.StatusInternalServerError || strings.Contains(r.body, "broken") || !strings.Contains(r.body, "id-1") {
			t.Errorf("status %d: %s", r.status, r.body)
		}
		log := h.log.String()
		for _, want := range []string{"the keeper is broken", `"request_id":"id-1"`, "observe_test.go", `"status":500`} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %q: %s", want, log)
			}
		}
		for _, secret := range []string{"hidden", "s3cret"} {
			if strings.Contains(log, secret) {
				t.Errorf("the log shows %q: %s", secret, log)
			}
		}
		if got := h.observed.last(); got != (observation{"/sql", "POST", 500}) {
			t.Errorf("observed %+v", got)
		}
	}
}

func TestAPanicAfterTheFirstByteCutsTheConnection(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	w := &watchedWriter{ResponseRecorder: httptest.NewRecorder(), onWrite: func() { panic("in the middle") }}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/t/acme/sql", strings.NewReader(`{"query":"one"}`))
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("the panic was %v, want http.ErrAbortHandler", err)
		}
		if !strings.Contains(h.log.String(), "in the middle") {
			t.Error("it is not in the log")
		}
	}()
	h.server.Handler().ServeHTTP(w, req)
}
