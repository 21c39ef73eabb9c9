package router_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/pgreport"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The whole table, as a reader of the documentation wants it; after a change
// that is meant, run the test with -update and read the difference.
func TestTheTableOfProblemsIsWhatTheGoldenFileSays(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	for _, s := range samples(t) {
		fmt.Fprintf(&got, "## %s\nrow: %s\n%s\n", s.what, router.RowOf(s.err), written(t, router.ProblemOf(s.err)))
	}
	golden := filepath.Join("testdata", "problems.golden")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("differs from %s; go test -run %s -update ./router, and look at the difference\n%s", golden, t.Name(), got.String())
	}
}

// written is what a client gets, in order and without what is always the same.
func written(t *testing.T, p router.Problem) string {
	t.Helper()
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-Id", "REQUEST")
	router.WriteProblem(w, request{}.build(t), p)
	var text strings.Builder
	fmt.Fprintln(&text, w.Code)
	for _, name := range []string{"Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate"} {
		if value := w.Header().Get(name); value != "" {
			fmt.Fprintf(&text, "%s: %s\n", name, value)
		}
	}
	if !json.Valid(w.Body.Bytes()) {
		t.Errorf("not JSON: %s", w.Body)
	}
	return text.String() + w.Body.String()
}

func TestEveryRowOfTheTableHasASample(t *testing.T) {
	t.Parallel()
	var met []string
	for _, s := range samples(t) {
		met = append(met, router.RowOf(s.err))
	}
	for _, row := range router.Rows() {
		if !slices.Contains(met, row) {
			t.Errorf("no sample meets the row %q", row)
		}
	}
}

func TestAnErrorThatIsWrappedMeetsTheSameRow(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		if s.err == nil {
			continue
		}
		want, got := router.ProblemOf(s.err), router.ProblemOf(fmt.Errorf("handler: %w", s.err))
		if got != want {
			t.Errorf("%s: %+v, wrapped %+v", s.what, want, got)
		}
	}
}

func TestNoProblemShowsWhatIsInside(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		text := written(t, router.ProblemOf(s.err))
		for _, inside := range []string{"hunter2", "10.9.8.7", "secret", "28P01 ", "server says 28P01", "server says 57P01", "acme\"", "nobody", "pools: ", "registry: "} {
			if strings.Contains(text, inside) && s.what != "23505" {
				t.Errorf("%s shows %q:\n%s", s.what, inside, text)
			}
		}
	}
}

func TestNoProblemIsAsLongAsPostgreSQLsReport(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\x01", 1<<20) // six times as long in JSON
	report := pg("P0001")
	report.Message, report.Detail, report.Hint, report.Where, report.InternalQuery, report.ConstraintName = long, long, long, long, long, long
	for name, p := range map[string]router.Problem{
		"the table's":  router.ProblemOf(fmt.Errorf("handler: %w", report)),
		"a handler's":  {Status: http.StatusBadRequest, Code: "P0001", Title: "No", Detail: long, PG: report},
		"a wall's":     router.ProblemOf(fmt.Errorf("%w: %s", pools.ErrNotWalled, long)),
		"a constraint": router.ProblemOf(report).REST(),
	} {
		if text := written(t, p); len(text) > 8*6*pgreport.MaxText {
			t.Errorf("%s is %d bytes long", name, len(text))
		}
	}
	if len(report.Message) != len(long) {
		t.Error("the error itself is clipped")
	}
	if p := router.ProblemOf(report); len(p.Detail) > pgreport.MaxText || len(p.PG.Hint) > pgreport.MaxText {
		t.Errorf("a problem keeps %d bytes", len(p.Detail)+len(p.PG.Hint))
	}
}

func TestExhaustionIsNeverCalledAnOutageAndTheReverse(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		p := router.ProblemOf(s.err)
		outage := strings.Contains(p.Title, "unavailable")
		exhausted := strings.Contains(p.Title, "room") || strings.Contains(p.Title, "limit")
		if outage && exhausted {
			t.Errorf("%s: %q", s.what, p.Title)
		}
		for _, limit := range []error{pools.ErrPoolLimit, pools.ErrTenantQueue, pools.ErrTenantTimeout, pools.ErrClosed, pools.ErrBudget, pools.ErrClusterQueue} {
			if errors.Is(s.err, limit) && !exhausted {
				t.Errorf("%s is called %q", s.what, p.Title)
			}
		}
		if errors.Is(s.err, pools.ErrDatabase) && router.RowOf(s.err) == "tenant's database down" && !outage {
			t.Errorf("%s is called %q", s.what, p.Title)
		}
	}
}

func TestAViolatedConstraintIsAConflictForREST(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]int{
		"23505": http.StatusConflict,
		"23503": http.StatusConflict,
		"23514": http.StatusConflict,
		"42601": http.StatusBadRequest,
		"22P02": http.StatusBadRequest,
		"57014": http.StatusGatewayTimeout,
		"57P01": http.StatusServiceUnavailable,
	} {
		before := router.ProblemOf(pg(code))
		after := before.REST()
		if after.Status != want {
			t.Errorf("%s gives %d, want %d", code, after.Status, want)
		}
		if after.Status = before.Status; after != before {
			t.Errorf("%s: more than the status changed: %+v, %+v", code, before, after)
		}
	}
	if p := (router.Problem{Status: http.StatusBadRequest}).REST(); p.Status != http.StatusBadRequest {
		t.Errorf("a problem without PostgreSQL's report became %d", p.Status)
	}
}

func TestRetryAfterIsWholeSecondsRoundedUp(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second:            "",
		0:                       "",
		time.Nanosecond:         "1",
		time.Second:             "1",
		1001 * time.Millisecond: "2",
		time.Minute:             "60",
		90 * time.Minute:        "5400",
	} {
		w := httptest.NewRecorder()
		router.WriteProblem(w, request{}.build(t), router.Problem{Status: http.StatusServiceUnavailable, RetryAfter: d})
		if got := w.Header().Get("Retry-After"); got != want {
			t.Errorf("%v gives %q, want %q", d, got, want)
		}
	}
}

func TestEveryRefusalForNowSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		p := router.ProblemOf(s.err)
		transient := p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable
		if transient != (p.RetryAfter > 0) {
			t.Errorf("%s: status %d with Retry-After %v", s.what, p.Status, p.RetryAfter)
		}
	}
}

func TestEveryProblemHasAllThatAClientNeeds(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		p := router.ProblemOf(s.err)
		if p.Status < 400 || p.Code == "" || p.Title == "" {
			t.Errorf("%s: %+v", s.what, p)
		}
		w := httptest.NewRecorder()
		router.WriteProblem(w, request{}.build(t), p)
		if h := w.Header(); h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "application/problem+json" ||
			(h.Get("WWW-Authenticate") != "") != (w.Code == http.StatusUnauthorized) {
			t.Errorf("%s: %v", s.what, h)
		}
	}
}

func TestAProblemReplacesWhatAHandlerSetForAnotherBody(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	for _, name := range []string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified", "Expires"} {
		w.Header().Set(name, "1")
	}
	w.Header().Set("Content-Type", "text/csv")
	w.Header().Set("X-Kept", "1")
	router.WriteProblem(w, request{}.build(t), router.ProblemOf(pools.ErrPoolLimit))
	if got := len(w.Header()); got != 5 || w.Header().Get("X-Kept") != "1" {
		t.Errorf("left with %v", w.Header())
	}
}

func TestAHEADRequestGetsNoBody(t *testing.T) {
	t.Parallel()
	req := request{}.build(t)
	req.Method = http.MethodHead
	w := httptest.NewRecorder()
	router.WriteProblem(w, req, router.ProblemOf(pools.ErrPoolLimit))
	if w.Code != http.StatusServiceUnavailable || w.Body.Len() != 0 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestTheZeroProblemIsAnInternalError(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	router.WriteProblem(w, request{}.build(t), router.Problem{})
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), `"internal"`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// A told is what programs read of a problem.
type told struct{ Code, Detail string }

func problemIn(t *testing.T, w *httptest.ResponseRecorder) (p told) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return p
}
